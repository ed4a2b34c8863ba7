"""The ledger's day: what all schools appended, under one root that is signed and published.

Each school's entries of a day are the leaves of a Merkle tree, its root with the school's head is a leaf of the
district's tree, and the district's root is signed (Ed25519, RFC 8032) together with the digest of the day before. Who
keeps one signed root can show of every entry before it that it stood there, and that none was changed since.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.publisher.domain.ledger import GENESIS, canonical

VERSION: Final = 1
_SIGNED_AS: Final = b"sutki ledger root\n"
"""Put before what is signed, so that the signature means nothing anywhere else."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that roots are checked with."""

    raw: bytes
    """32 bytes."""

    @property
    def key_id(self) -> str:
        """What names it: the beginning of its SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def accepts(self, statement: str, signature: bytes) -> bool:
        """Whether its owner signed the statement."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, _SIGNED_AS + statement.encode())
        except (InvalidSignature, ValueError):
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """As JSON Web Key (RFC 8037)."""
        x = base64.urlsafe_b64encode(self.raw).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.key_id, "x": x}


@dataclass(frozen=True, slots=True)
class SchoolDay:
    """What one school appended on one day."""

    school_id: UUID
    day: date
    first_seq: int
    """The first entry that is new; one more than `last_seq` when nothing was appended."""
    last_seq: int
    head: bytes
    """The hash of entry `last_seq`."""
    root: bytes
    """Over the hashes of the new entries."""

    @property
    def entries(self) -> int:
        """How many are new."""
        return self.last_seq - self.first_seq + 1

    def leaf(self) -> bytes:
        """What it is in the district's tree."""
        return canonical(
            {
                "day": self.day.isoformat(),
                "first_seq": self.first_seq,
                "head": self.head.hex(),
                "last_seq": self.last_seq,
                "root": self.root.hex(),
                "school_id": str(self.school_id),
            }
        )


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """The district's root of a day, with its signature."""

    statement: str
    """Canonical JSON: what is signed."""
    signature: bytes

    def told(self) -> "Told":
        """What it states.

        Raises:
            ValueError: it is no statement of ours.
        """
        try:
            data = orjson.loads(self.statement)
            told = Told(
                date.fromisoformat(data["day"]),
                data["entries"],
                data["schools"],
                bytes.fromhex(data["root"]),
                bytes.fromhex(data["previous"]),
                str(data["key_id"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a statement of a root") from error
        if told.statement() != self.statement:
            raise ValueError("not a statement of a root in canonical form")
        return told

    def digest(self) -> bytes:
        """What the next day's statement names it by."""
        return hashlib.sha256(self.statement.encode()).digest()


@dataclass(frozen=True, slots=True)
class Told:
    """What is stated about a day."""

    day: date
    entries: int
    """New entries of all schools."""
    schools: int
    root: bytes
    """Over the schools in the order of their ids."""
    previous: bytes
    """The digest of the day before; zeros on the first day."""
    key_id: str

    def statement(self) -> str:
        """In canonical form."""
        data: Mapping[str, Any] = {
            "day": self.day.isoformat(),
            "entries": self.entries,
            "key_id": self.key_id,
            "previous": self.previous.hex(),
            "root": self.root.hex(),
            "schools": self.schools,
            "version": VERSION,
        }
        return canonical(data).decode()


FIRST: Final = GENESIS
"""What stands for the digest of the day before the first."""


class Signer:
    """Signs roots with a private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    def sign(self, told: Told) -> SignedRoot:
        """The statement with its signature."""
        statement = told.statement()
        return SignedRoot(statement, self._key.sign(_SIGNED_AS + statement.encode()))
