"""Synthetic aggregates: canaries that fly the whole path of a result and are none.

Each school has one synthetic school beside it, with one student, one representative and one result. All their ids are
of a form that no other id has, so that whoever reads an event or a row can tell, without asking anybody, that it is
none of a person. Ids of persons and results are UUIDv8, random ones UUIDv4; these are UUIDv5 that begin alike.
"""

from typing import Final, Literal
from uuid import UUID, uuid5

from contracts.base import EVENT_NAMESPACE

_PREFIX: Final = bytes.fromhex("ca9a27ee")
FIRST: Final = UUID(bytes=_PREFIX + bytes(12))
LAST: Final = UUID(bytes=_PREFIX + b"\xff" * 12)
"""All synthetic ids lie between these two, and so can be found in an index."""

Kind = Literal["school", "student", "representative", "subject", "result", "consent"]


def synthetic_id(kind: Kind, school_id: UUID) -> UUID:
    """The id of what a school's canary consists of; always the same, and no secret.

    Args:
        kind: what of it.
        school_id: the real school.
    """
    return UUID(bytes=_PREFIX + uuid5(EVENT_NAMESPACE, f"synthetic/{kind}/{school_id}").bytes[4:])


def is_synthetic(identity: UUID) -> bool:
    """Whether an id is of something synthetic."""
    return identity.bytes[:4] == _PREFIX and identity.version == 5
