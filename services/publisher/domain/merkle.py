"""Merkle trees as RFC 6962 has them (section 2.1): one hash for any number of leaves, and short proofs of each.

A leaf is hashed behind a zero byte and a node behind a one, so that neither can be passed off as the other. The tree
over n leaves splits at the largest power of two below n.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256().digest()
"""The root over no leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A root that grows leaf by leaf and keeps no more than the tops of its full subtrees: about log2(n) hashes."""

    __slots__ = ("_tops", "size")

    def __init__(self) -> None:
        self.size = 0
        self._tops: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Puts a leaf behind those that are there."""
        top, size = leaf_hash(leaf), self.size
        while size & 1:
            top = node_hash(self._tops.pop(), top)
            size >>= 1
        self._tops.append(top)
        self.size += 1

    def root(self) -> bytes:
        """The root over what was added so far."""
        if not self._tops:
            return EMPTY_ROOT
        root = self._tops[-1]
        for left in reversed(self._tops[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaves."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of a leaf: the hashes that lead from it to the root, the lowest first.

    Args:
        leaves: All of the tree.
        index: Which one, from 0.
    """
    level = [leaf_hash(leaf) for leaf in leaves]
    path = []
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            path.append(level[neighbour])
        paired = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) - len(level) % 2 :]
        index >>= 1
    return path


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root to which a path leads; None when it cannot be a path of such a tree (RFC 9162, section 2.1.3.2).

    Args:
        leaf: The leaf itself.
        index: Its place, from 0.
        size: How many leaves the tree has.
        path: From `path_of`.
    """
    if not 0 <= index < size:
        return None
    root, node, last = leaf_hash(leaf), index, size - 1
    for step in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(step, root)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, step)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None
