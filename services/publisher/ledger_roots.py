"""Seals the ledger's days: after a day of the district has ended, its root is signed and kept for everybody to read.

Any number of processes may run the loop: one takes the lock, and the day is the primary key. Missed days are caught up
with one after another. Without a key nothing is sealed, and that is said: a root that nobody signed proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import metrics
from services.publisher.domain.merkle import Frontier, root_of
from services.publisher.domain.roots import FIRST, SchoolDay, SignedRoot, Signer, Told
from services.publisher.queries import roots
from services.publisher.queries.roots import NewEntries

IDLE_SECONDS = 30


def load_signer(path: Path) -> Signer:
    """Reads the private key that roots are signed with (PEM, PKCS 8, Ed25519; `sutki keys ledger` makes one).

    Raises:
        ValueError: the file cannot be read, or is no such key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ValueError(f"{path}: the ledger's key cannot be read ({error.strerror})") from error
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path}: the ledger's key is not an unencrypted private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path}: not an Ed25519 key")  # noqa: TRY004 - the file is wrong, not the caller
    return Signer(key)


@dataclass
class LedgerRoots:
    """The loop that seals days."""

    database: Database
    clock: Clock
    signer: Signer | None
    zone: str
    """The district's time zone: whose midnight ends the day."""
    delay: timedelta
    """How long after midnight: what was noted before may still be on its way into the ledger."""
    _said: bool = False

    def loops(self) -> list[DueLoop]:
        """To be run by the service."""
        return [DueLoop("ledger-roots", self.seal, self._next, idle_seconds=IDLE_SECONDS)]

    async def seal(self) -> int:
        """Seals the first day that has ended and has no root; returns 1, or 0 when there is none."""
        async with self.database.transaction(DISTRICT) as conn:
            last = await roots.last(conn)
            waiting = await self._waiting(conn, last)
            metrics.LEDGER_DAYS_UNSEALED.set(len(waiting))
            if not waiting:
                return 0
            if self.signer is None:
                self._say_unsigned(len(waiting))
                return 0
            if not await roots.try_lock(conn):
                return 0
            # Under the lock, since another process may have sealed it meanwhile.
            last = await roots.last(conn)
            waiting = await self._waiting(conn, last)
            if not waiting:
                return 0
            told = await self._seal(conn, waiting[0], last, self.signer)
            crash_here("publisher.after_root_before_commit")
        metrics.LEDGER_DAYS_UNSEALED.set(len(waiting) - 1)
        log.info("ledger_day_sealed", day=told.day.isoformat(), entries=told.entries, key_id=told.key_id)
        return 1

    def _say_unsigned(self, days: int) -> None:
        if not self._said:
            log.warning("ledger_roots_unsigned", days=days, setting="SUTKI_PUBLISHER_LEDGER_KEY_FILE")
            self._said = True

    async def _waiting(self, conn: Connection, last: SignedRoot | None) -> Sequence[date]:
        """The days that have ended and have no root."""
        day = last.told().day + timedelta(days=1) if last else await roots.first_day(conn, self.zone)
        if day is None:
            return []
        now = await self.clock.now(conn)
        left = await roots.seconds_to_next(conn, day, self.zone, self.delay.total_seconds(), now)
        ended = 0 if left > 0 else 1 + int(-left // timedelta(days=1).total_seconds())
        return [day + timedelta(days=number) for number in range(ended)]

    async def _seal(self, conn: Connection, day: date, last: SignedRoot | None, signer: Signer) -> Told:
        days = [await _summary(conn, day, one) for one in await roots.new_entries(conn, day, self.zone)]
        told = Told(
            day=day,
            entries=sum(one.entries for one in days),
            schools=len(days),
            root=root_of(one.leaf() for one in days),
            previous=last.digest() if last else FIRST,
            key_id=signer.public.key_id,
        )
        now = await self.clock.now(conn)
        await roots.insert(conn, signer.sign(told), told, key=signer.public, days=days, now=now)
        return told

    async def _next(self) -> float | None:
        async with self.database.transaction(DISTRICT) as conn:
            last = await roots.last(conn)
            if last is None or self.signer is None:
                return None
            day = last.told().day + timedelta(days=1)
            now = await self.clock.now(conn)
            return await roots.seconds_to_next(conn, day, self.zone, self.delay.total_seconds(), now)


async def _summary(conn: Connection, day: date, new: NewEntries) -> SchoolDay:
    tree, head = Frontier(), new.head or FIRST
    async for one in roots.hashes(conn, new.school_id, new.before_seq, new.last_seq):
        tree.add(one)
        head = one
    return SchoolDay(new.school_id, day, new.before_seq + 1, new.last_seq, head, tree.root())
