"""Pseudonymous ids: they follow from what somebody else calls a thing, and tell nothing about it without the key."""

import hmac
from hashlib import sha256
from uuid import UUID


def pseudonym(key: bytes, *parts: str) -> UUID:
    """An id made from names by a keyed hash (HMAC-SHA-256), in the form of a UUIDv8 (RFC 9562).

    Args:
        key: secret of the service that makes the ids.
        parts: what the id stands for, such as source, kind and the source's own id.
    """
    message = b"\x1f".join(part.encode() for part in parts)
    digest = bytearray(hmac.digest(key, message, sha256)[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(digest))
