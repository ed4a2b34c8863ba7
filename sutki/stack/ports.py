"""Ports on the loopback address that nobody listens on."""

import random
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_FIRST, _LAST = 15_000, 32_000
"""Below the range from which systems take the local ends of outgoing connections: one of those could take a port away
between our choosing it and a server's listening on it, or while a killed server is away."""

_handed_out: set[int] = set()
_random = random.SystemRandom()


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port(preferred: int | None = None) -> int:
    """The preferred port when it is free, else another that is; never the same twice in one process."""
    candidate = _random.randint(_FIRST, _LAST) if preferred is None else preferred
    while candidate in _handed_out or not is_free(candidate):
        candidate = _random.randint(_FIRST, _LAST)
    _handed_out.add(candidate)
    return candidate
