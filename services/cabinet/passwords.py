"""Secrets that people type or carry: passwords, invitation codes, session tokens."""

import asyncio
import secrets
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from contracts.invitation_issued import CODE_ALPHABET
from services.cabinet.settings import Settings

CODE_LENGTH = 12
"""58 bits: with the rate limit nobody guesses one."""
_CODE_GROUP = 4

LOGIN_MIN_LENGTH, LOGIN_MAX_LENGTH = 3, 64
PASSWORD_MAX_LENGTH = 128


def new_code() -> str:
    """A new invitation code, in groups for print: `7K3M-XQ2P-94TH`."""
    letters = [secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH)]
    return "-".join("".join(letters[at : at + _CODE_GROUP]) for at in range(0, CODE_LENGTH, _CODE_GROUP))


def new_token() -> str:
    """A session's token: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """SHA-256: enough for what is random by itself."""
    return sha256(secret.encode()).digest()


def normalise_login(login: str) -> str:
    """Two logins that look the same are the same."""
    return unicodedata.normalize("NFKC", login).strip().casefold()


class Passwords:
    """Hashes and checks passwords with argon2id, in threads: the event loop goes on meanwhile."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        self._threads = ThreadPoolExecutor(settings.argon2_threads, thread_name_prefix="argon2")
        # Nobody's password: checked where there is no such login, so that both cases take the same time.
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """The string that is kept."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def hash_all(self, passwords: Sequence[str]) -> list[str]:
        """The same for many, as many at a time as there are threads."""
        return list(await asyncio.gather(*(self.hash(password) for password in passwords)))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; without an account never, and after the same time."""
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._threads, self._verify, password_hash or self._nobodys, password)
        return right and password_hash is not None

    def close(self) -> None:
        """Ends the threads once they have finished."""
        self._threads.shutdown(wait=False)

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
