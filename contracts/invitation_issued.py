"""A person was invited to the cabinet: a code was printed for them, of which only the digest travels."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Fact, Instant, PersonId, example_id

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without 0 and O, 1, I and L, and U: what is printed is read aloud and typed."""
_LOOKALIKES = str.maketrans("АВЕКМНРСТУХ", "ABEKMHPCTYX")
"""A Russian keyboard's letters that look like ours."""


def code_digest(code: str) -> bytes:
    """SHA-256 of a code, whatever the case, spaces, dashes or keyboard with which it was typed.

    Issuer and cabinet must agree on it to the letter, so it is a part of the contract. Slower it need not be: codes are
    random by themselves.
    """
    typed = "".join(letter for letter in code.upper().translate(_LOOKALIKES) if letter.isalnum())
    return sha256(typed.encode()).digest()


class InvitationIssued(Fact):
    """The newest invitation of a person. The codes before it can no longer be used."""

    TOPIC: ClassVar[str] = "consent.invitation-issued.v1"

    person_id: PersonId
    code_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """`code_digest` of the code, in hexadecimal."""
    issued_at: Instant
    expires_at: Instant

    def aggregate(self) -> UUID:
        """The person."""
        return self.person_id

    def key(self) -> UUID:
        """The person."""
        return self.person_id

    def occurred_at(self) -> AwareDatetime:
        """When the receipt was made."""
        return self.issued_at


EXAMPLE = InvitationIssued(
    revision=1,
    person_id=PersonId(example_id("representative")),
    code_sha256=code_digest("7K3M-XQ2P-94TH-V6WC").hex(),
    issued_at=datetime(2026, 9, 2, 8, 0, tzinfo=UTC),
    expires_at=datetime(2026, 11, 1, 8, 0, tzinfo=UTC),
)
