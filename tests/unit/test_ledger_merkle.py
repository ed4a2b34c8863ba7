"""Merkle trees: the RFC's shape, proofs of every leaf, and no proof of anything else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.domain.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash, path_of, root_by_path, root_of

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=70)

# RFC 6962's reference implementation publishes these leaves and the roots over the first n of them.
KNOWN_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
KNOWN_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def as_the_rfc_says(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(as_the_rfc_says(leaves[:split]), as_the_rfc_says(leaves[split:]))


@pytest.mark.parametrize(("count", "root"), KNOWN_ROOTS.items())
def test_the_roots_of_the_known_tree_are_those_that_others_compute(count, root):
    assert root_of(KNOWN_LEAVES[:count]).hex() == root


@given(LEAVES)
def test_a_root_grown_leaf_by_leaf_is_the_rfcs(leaves):
    assert root_of(leaves) == as_the_rfc_says(leaves)


def test_a_tree_without_leaves_has_the_hash_of_nothing_for_its_root():
    assert Frontier().root() == EMPTY_ROOT == as_the_rfc_says([])


@given(LEAVES, st.data())
def test_every_leaf_is_proved_by_its_path(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    assert root_by_path(leaves[index], index, len(leaves), path_of(leaves, index)) == root_of(leaves)


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=70, unique=True), st.data())
def test_a_path_proves_no_other_leaf_no_other_place_and_no_other_size(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1).filter(lambda one: one != index))
    path, root = path_of(leaves, index), root_of(leaves)
    assert root_by_path(leaves[other], index, len(leaves), path) != root
    assert root_by_path(leaves[index], other, len(leaves), path) != root
    assert root_by_path(leaves[index], index, len(leaves), path[:-1]) != root
    assert root_by_path(leaves[index], index, len(leaves), [*path, bytes(32)]) is None
    assert root_by_path(leaves[index], len(leaves), len(leaves), path) is None
    assert root_by_path(leaves[index], -1, len(leaves), path) is None


@given(LEAVES)
def test_a_node_cannot_be_passed_off_as_a_leaf(leaves):
    assert root_of([root_of(leaves)]) != root_of(leaves)


@given(st.integers(0, 5000))
def test_a_growing_root_keeps_no_more_than_the_tops_of_its_full_subtrees(count):
    frontier = Frontier()
    for number in range(count):
        frontier.add(number.to_bytes(4))
    assert len(frontier._tops) == count.bit_count()
