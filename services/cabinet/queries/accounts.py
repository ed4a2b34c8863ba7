"""Accounts, invitations, sign-ins and their attempts. Codes, tokens, tried logins and addresses are kept as digests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.account_changed import AccountChanged
from contracts.base import PersonId
from contracts.invitation_issued import InvitationIssued


@dataclass(frozen=True)
class AccountRow:
    """What signing in needs to know."""

    person_id: UUID
    login: str
    password_hash: str


_ACCOUNT_OF_LOGIN = "SELECT person_id, login, password_hash FROM accounts WHERE login = $1 AND active"


async def account_of_login(conn: Connection, login: str) -> AccountRow | None:
    """The active account with this login."""
    row = await conn.fetchrow(_ACCOUNT_OF_LOGIN, login)
    return AccountRow(**row) if row is not None else None


_KNOWN = "SELECT person_id FROM accounts WHERE person_id = ANY ($1::uuid[]) AND active"


async def persons_with_account(conn: Connection, person_ids: Sequence[UUID]) -> set[UUID]:
    """Who of these has an active account."""
    return {row["person_id"] for row in await conn.fetch(_KNOWN, person_ids)}


_TAKEN = "SELECT login FROM accounts WHERE login = ANY ($1::text[])"


async def logins_taken(conn: Connection, logins: Sequence[str]) -> list[str]:
    """Which of these logins somebody has."""
    return sorted(row["login"] for row in await conn.fetch(_TAKEN, logins))


_ACTIVATE = """
INSERT INTO accounts (person_id, revision, active, login, password_hash, active_since, changed_at)
SELECT person_id, 1, true, login, password_hash, $4, $4
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (person_id, login, password_hash)
ORDER BY person_id
ON CONFLICT (person_id) DO UPDATE SET
    revision = accounts.revision + 1, active = true, login = excluded.login, password_hash = excluded.password_hash,
    active_since = excluded.active_since, changed_at = excluded.changed_at
WHERE NOT accounts.active
RETURNING person_id, revision, active, changed_at
"""


async def activate(conn: Connection, accounts: Sequence[AccountRow], now: datetime) -> list[AccountChanged]:
    """Gives people an account; whoever has one is left alone.

    Raises:
        asyncpg.UniqueViolationError: a login is taken.
    """
    columns = [[getattr(item, name) for item in accounts] for name in ("person_id", "login", "password_hash")]
    return _events(await conn.fetch(_ACTIVATE, *columns, now))


_DEACTIVATE = """
UPDATE accounts SET revision = revision + 1, active = false, login = NULL, password_hash = NULL, changed_at = $2
WHERE person_id = ANY ($1::uuid[]) AND active
RETURNING person_id, revision, active, changed_at
"""
_END_SESSIONS = "DELETE FROM sessions WHERE person_id = ANY ($1::uuid[])"
_END_INVITATIONS = "DELETE FROM invitations WHERE person_id = ANY ($1::uuid[])"


async def deactivate(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> list[AccountChanged]:
    """Takes accounts away and forgets login and password; only the opaque id and the revision stay."""
    await conn.execute(_END_INVITATIONS, person_ids)
    await conn.execute(_END_SESSIONS, person_ids)
    return _events(await conn.fetch(_DEACTIVATE, person_ids, now))


_ACCOUNTS_AFTER = """
SELECT person_id, revision, active, changed_at FROM accounts WHERE person_id > $1 ORDER BY person_id LIMIT $2
"""


async def events_after(conn: Connection, after: UUID, limit: int) -> list[AccountChanged]:
    """The present state of all accounts in the order of their persons, page by page."""
    return _events(await conn.fetch(_ACCOUNTS_AFTER, after, limit))


def _events(rows: Sequence[Any]) -> list[AccountChanged]:
    return [
        AccountChanged(person_id=PersonId(person_id), revision=revision, active=active, changed_at=changed_at)
        for person_id, revision, active, changed_at in rows
    ]


_SET_PASSWORD = "UPDATE accounts SET login = $2, password_hash = $3 WHERE person_id = $1 AND active"  # noqa: S105


async def replace_credentials(conn: Connection, account: AccountRow) -> None:
    """A new login and password for somebody who has an account; all their sign-ins end.

    Raises:
        asyncpg.UniqueViolationError: the login is taken.
    """
    await conn.execute(_SET_PASSWORD, account.person_id, account.login, account.password_hash)
    await conn.execute(_END_SESSIONS, [account.person_id])


_STILL = "SELECT 1 FROM accounts WHERE person_id = $1 AND password_hash = $2 AND active FOR UPDATE"


async def still_has_password(conn: Connection, person_id: UUID, password_hash: str) -> bool:
    """Whether the account is open and its password the one that was checked; nobody changes it in this transaction."""
    return await conn.fetchval(_STILL, person_id, password_hash) is not None


_REHASH = "UPDATE accounts SET password_hash = $2 WHERE person_id = $1 AND active"


async def replace_hash(conn: Connection, person_id: UUID, password_hash: str) -> None:
    """The same password, hashed with the parameters of today."""
    await conn.execute(_REHASH, person_id, password_hash)


_INVITE = """
INSERT INTO invitations (person_id, code_sha256, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (person_id) DO UPDATE SET code_sha256 = excluded.code_sha256, expires_at = excluded.expires_at
"""


async def invite(conn: Connection, person_id: UUID, code_sha256: bytes, expires_at: datetime) -> None:
    """Keeps an invitation; one before it for the same person can no longer be used."""
    await conn.execute(_INVITE, person_id, code_sha256, expires_at)


_NOTE_INVITATIONS = """
INSERT INTO issued_invitations AS i (person_id, revision)
SELECT * FROM unnest($1::uuid[], $2::bigint[])
ON CONFLICT (person_id) DO UPDATE SET revision = excluded.revision WHERE excluded.revision > i.revision
RETURNING person_id
"""


async def note_invitations(conn: Connection, events: Sequence[InvitationIssued]) -> list[InvitationIssued]:
    """Keeps the higher revision of each person's invitation; returns those that were new."""
    rows = await conn.fetch(
        _NOTE_INVITATIONS, [event.person_id for event in events], [event.revision for event in events]
    )
    new = {row["person_id"] for row in rows}
    return [event for event in events if event.person_id in new]


async def end_invitations(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """The codes of these people can no longer be used."""
    await conn.execute(_END_INVITATIONS, person_ids)


_INVITED = "SELECT person_id FROM invitations WHERE code_sha256 = $1 AND expires_at > $2"
_USE_INVITATION = "DELETE FROM invitations WHERE code_sha256 = $1 AND expires_at > $2 RETURNING person_id"


async def invited(conn: Connection, code_sha256: bytes, now: datetime) -> UUID | None:
    """Whom a code invites, if it is known and not expired."""
    person_id: UUID | None = await conn.fetchval(_INVITED, code_sha256, now)
    return person_id


async def use_invitation(conn: Connection, code_sha256: bytes, now: datetime) -> UUID | None:
    """The same, and the code is used up: of two who use it at once only one gets an answer."""
    person_id: UUID | None = await conn.fetchval(_USE_INVITATION, code_sha256, now)
    return person_id


_ATTEMPT = """
INSERT INTO sign_in_attempts (subject_sha256, address_sha256, attempted_at) VALUES ($1, $2, $3) RETURNING attempt_id
"""
_FAILURES = """
SELECT
    (SELECT count(*) FROM sign_in_attempts
     WHERE subject_sha256 = $1 AND address_sha256 = $2 AND attempted_at > $3 AND NOT succeeded) AS of_subject_here,
    (SELECT count(*) FROM sign_in_attempts WHERE subject_sha256 = $1 AND attempted_at > $3 AND NOT succeeded)
        AS of_subject,
    (SELECT count(*) FROM sign_in_attempts WHERE address_sha256 = $2 AND attempted_at > $3 AND NOT succeeded)
        AS of_address
"""


async def note_attempt(conn: Connection, subject_sha256: bytes, address_sha256: bytes, now: datetime) -> int:
    """Notes an attempt, as failed, before it is made; returns its number."""
    attempt_id: int = await conn.fetchval(_ATTEMPT, subject_sha256, address_sha256, now)
    return attempt_id


@dataclass(frozen=True)
class Failures:
    """Failed attempts within the window."""

    of_subject_here: int
    """Of this login or code, from this address."""
    of_subject: int
    """Of this login or code, from wherever."""
    of_address: int
    """From this address, of whatever login."""


async def failures(conn: Connection, subject_sha256: bytes, address_sha256: bytes, since: datetime) -> Failures:
    """How many attempts for this login or code, and from this address, are not known to have succeeded."""
    row = await conn.fetchrow(_FAILURES, subject_sha256, address_sha256, since)
    assert row is not None  # noqa: S101 - a select without FROM has a row
    return Failures(row["of_subject_here"], row["of_subject"], row["of_address"])


_FORGET_ATTEMPT = "DELETE FROM sign_in_attempts WHERE attempt_id = $1"


async def forget_attempt(conn: Connection, attempt_id: int) -> None:
    """The attempt was not made: it was refused before the password was looked at."""
    await conn.execute(_FORGET_ATTEMPT, attempt_id)


_SUCCEEDED = "UPDATE sign_in_attempts SET succeeded = true WHERE attempt_id = $1"


async def note_success(conn: Connection, attempt_id: int) -> None:
    """The attempt was no failure after all."""
    await conn.execute(_SUCCEEDED, attempt_id)


_START_SESSION = """
INSERT INTO sessions (token_sha256, person_id, started_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)
"""


async def start_session(
    conn: Connection, token_sha256: bytes, person_id: UUID, now: datetime, expires_at: datetime
) -> None:
    """Somebody is signed in."""
    await conn.execute(_START_SESSION, token_sha256, person_id, now, expires_at)


_SESSION = """
SELECT s.person_id, s.seen_at < clock_timestamp() + clock_shift() - make_interval(mins => 5) AS to_note
FROM sessions AS s JOIN accounts AS a ON a.person_id = s.person_id AND a.active
WHERE s.token_sha256 = $1 AND s.expires_at > clock_timestamp() + clock_shift()
    AND s.seen_at > clock_timestamp() + clock_shift() - $2::interval
"""
_SEEN = "UPDATE sessions SET seen_at = clock_timestamp() + clock_shift() WHERE token_sha256 = $1"


async def person_of_session(conn: Connection, token_sha256: bytes, idle: timedelta) -> UUID | None:
    """Who is signed in with this token; its use is noted every five minutes at most, so that reading stays reading."""
    row = await conn.fetchrow(_SESSION, token_sha256, idle)
    if row is None:
        return None
    if row["to_note"]:
        await conn.execute(_SEEN, token_sha256)
    person_id: UUID = row["person_id"]
    return person_id


_END_SESSION = "DELETE FROM sessions WHERE token_sha256 = $1"


async def end_session(conn: Connection, token_sha256: bytes) -> None:
    """Signed out."""
    await conn.execute(_END_SESSION, token_sha256)


_PRUNE_ATTEMPTS = "DELETE FROM sign_in_attempts WHERE attempted_at < clock_timestamp() + clock_shift() - $1::interval"
_PRUNE_SESSIONS = """
DELETE FROM sessions
WHERE expires_at < clock_timestamp() + clock_shift() OR seen_at < clock_timestamp() + clock_shift() - $1::interval
"""
_PRUNE_INVITATIONS = "DELETE FROM invitations WHERE expires_at < clock_timestamp() + clock_shift()"


async def prune(conn: Connection, window: timedelta, idle: timedelta) -> None:
    """Deletes what no longer counts: old attempts, ended sessions, expired invitations."""
    await conn.execute(_PRUNE_ATTEMPTS, window)
    await conn.execute(_PRUNE_SESSIONS, idle)
    await conn.execute(_PRUNE_INVITATIONS)
