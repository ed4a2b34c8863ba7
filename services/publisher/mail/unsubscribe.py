"""The token in every mail by which its recipient ends the mails about one child without signing in (RFC 8058). Pure.

It says who and about whom in pseudonymous ids, and carries a signature: only we can make one, and a token that somebody
changes or guesses is none.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

_MAILS_ABOUT_CHILD: Final = b"\x01"
"""The scope: all mails to this recipient about this child. Another scope is another first byte."""
_PURPOSE: Final = b"sutki-unsubscribe:"
_MARK_BYTES: Final = 16
_LENGTH: Final = len(_MAILS_ABOUT_CHILD) + 32 + _MARK_BYTES
TOKEN_LENGTH: Final = -(-_LENGTH * 4 // 3)
SMALLEST_KEY_BYTES: Final = 32


class UnusableKeys(ValueError):  # noqa: N818 - says what is wrong
    """The setting is not a list of keys."""


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """Whose mails about whom are to end."""

    recipient_id: UUID
    student_id: UUID


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """Makes and reads tokens: the first key signs, and every one of the list is believed, so that keys can change."""

    keys: tuple[bytes, ...]

    def make(self, recipient_id: UUID, student_id: UUID) -> str:
        """The token: the same for the same pair as long as the key stays."""
        said = _MAILS_ABOUT_CHILD + recipient_id.bytes + student_id.bytes
        return base64.urlsafe_b64encode(said + _mark(self.keys[0], said)).decode().rstrip("=")

    def read(self, token: str) -> Unsubscribing | None:
        """What a token says; None when it is none of ours, whatever is wrong with it."""
        try:
            raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError, ValueError):
            return None
        if len(raw) != _LENGTH or raw[:1] != _MAILS_ABOUT_CHILD:
            return None
        said, mark = raw[:-_MARK_BYTES], raw[-_MARK_BYTES:]
        if not any(hmac.compare_digest(mark, _mark(key, said)) for key in self.keys):
            return None
        return Unsubscribing(UUID(bytes=said[1:17]), UUID(bytes=said[17:33]))


def _mark(key: bytes, said: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + said, sha256).digest()[:_MARK_BYTES]


def read_keys(texts: Sequence[str]) -> Tokens:
    """The tokens of a list of keys, the newest first.

    Args:
        texts: each key in hexadecimal digits, 32 bytes or more.

    Raises:
        UnusableKeys: there is none, or one is too short or no such text.
    """
    try:
        keys = tuple(bytes.fromhex(one.strip()) for one in texts)
    except ValueError as error:
        raise UnusableKeys("each key is hexadecimal digits") from error
    if not keys or any(len(one) < SMALLEST_KEY_BYTES for one in keys):
        raise UnusableKeys(f"each key has {SMALLEST_KEY_BYTES} bytes or more")
    return Tokens(keys)
