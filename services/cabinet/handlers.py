"""What the cabinet does beside showing: accounts, signing in, and acknowledging what can be seen."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import asyncpg

from chassis.clock import Clock, DatabaseClock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database, reader
from chassis.outbox import publish
from contracts.invitation_issued import InvitationIssued, code_digest
from services.cabinet import canaries, metrics
from services.cabinet.passwords import (
    LOGIN_MAX_LENGTH,
    LOGIN_MIN_LENGTH,
    PASSWORD_MAX_LENGTH,
    Passwords,
    digest,
    new_code,
    new_token,
    normalise_login,
)
from services.cabinet.queries import accounts, acknowledging, reading
from services.cabinet.settings import Settings

CREATE_BATCH = 500


class Refusal(StrEnum):
    """Why somebody is not signed in, or does not get an account."""

    WRONG_CREDENTIALS = "wrong_credentials"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    UNKNOWN_CODE = "unknown_code"
    LOGIN_FORM = "login_form"
    LOGIN_TAKEN = "login_taken"
    PASSWORD_LENGTH = "password_length"  # noqa: S105 - a reason, no password
    PASSWORD_EASY = "password_easy"  # noqa: S105


class Refused(Exception):  # noqa: N818 - reads as a verdict where it is raised
    """The request was understood and is not granted."""

    def __init__(self, reason: Refusal, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Invitation:
    """What is printed and handed over with the consent form."""

    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class NewAccount:
    """An account to be made for a person who is already known by id."""

    person_id: UUID
    login: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Doors:
    """What signing in needs: made once by `app.py`."""

    database: Database
    settings: Settings
    passwords: Passwords
    clock: Clock = field(default_factory=DatabaseClock)

    @property
    def window(self) -> timedelta:
        """The time over which failed attempts are counted."""
        return timedelta(seconds=self.settings.sign_in_window_seconds)

    @property
    def idle(self) -> timedelta:
        """The time after which an unused sign-in ends."""
        return timedelta(hours=self.settings.session_idle_hours)


async def invite(database: Database, settings: Settings, person_id: UUID, *, clock: Clock | None = None) -> Invitation:
    """Makes an invitation with which a person can make an account, or set a new password for the one they have.

    An earlier code of the same person can no longer be used. The code is returned here once and kept nowhere.
    """
    code = new_code()
    async with database.transaction(DISTRICT) as conn:
        now = await (clock or DatabaseClock()).now(conn)
        expires_at = now + timedelta(days=settings.invitation_days)
        await accounts.invite(conn, person_id, code_digest(code), expires_at)
    return Invitation(code, expires_at)


async def take_invitations(conn: Connection, events: Sequence[InvitationIssued], now: datetime) -> None:
    """Invitations that were printed elsewhere, by the digest of their codes. One that was used never comes back."""
    newer = await accounts.note_invitations(conn, events)
    await accounts.end_invitations(conn, [event.person_id for event in newer])
    for event in newer:
        if event.expires_at > now:
            await accounts.invite(conn, event.person_id, bytes.fromhex(event.code_sha256), event.expires_at)


async def create_accounts(
    database: Database,
    settings: Settings,
    wanted: Sequence[NewAccount],
    *,
    clock: Clock | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Makes accounts in bulk; whoever has one is left alone, so that the same list again changes nothing.

    Args:
        database: the cabinet's.
        settings: the cabinet's; of them the parameters of argon2.
        wanted: persons with their logins and passwords.
        clock: the database's unless a test brings another.
        on_progress: told how many of the list are done.

    Returns:
        How many were made.

    Raises:
        Refused: a login is taken by somebody else; what came before it in the list stays.
    """
    doors = Doors(database, settings, Passwords(settings), clock or DatabaseClock())
    made = 0
    try:
        for start in range(0, len(wanted), CREATE_BATCH):
            made += await _create_batch(doors, wanted[start : start + CREATE_BATCH])
            if on_progress is not None:
                on_progress(min(start + CREATE_BATCH, len(wanted)))
    finally:
        doors.passwords.close()
    return made


async def _create_batch(doors: Doors, wanted: Sequence[NewAccount]) -> int:
    async with doors.database.transaction(DISTRICT) as conn:
        known = await accounts.persons_with_account(conn, [item.person_id for item in wanted])
    missing = [item for item in wanted if item.person_id not in known]
    if not missing:
        return 0
    logins = [normalise_login(item.login) for item in missing]
    # Outside a transaction: this is the part that takes time.
    hashes = await doors.passwords.hash_all([item.password for item in missing])
    rows = [
        accounts.AccountRow(item.person_id, login, password_hash)
        for item, login, password_hash in zip(missing, logins, hashes, strict=True)
    ]
    async with doors.database.transaction(DISTRICT) as conn:
        return await _open_accounts(conn, rows, await doors.clock.now(conn))


async def _open_accounts(conn: Connection, rows: Sequence[accounts.AccountRow], now: datetime) -> int:
    """Account, event, and a look at what its owner can see: one transaction."""
    try:
        events = await accounts.activate(conn, rows, now)
    except asyncpg.UniqueViolationError as error:
        raise Refused(Refusal.LOGIN_TAKEN, "somebody else has a login of this list") from error
    crash_here("cabinet.account_made")
    await publish(conn, events)
    await acknowledging.look_at_students_of(conn, [event.person_id for event in events], now)
    crash_here("cabinet.account_published")
    return len(events)


async def join(doors: Doors, *, code: str, login: str, password: str, address: str) -> str:
    """Uses an invitation: makes the account it invites to, or gives the existing one a new login and password.

    Returns:
        The token of the sign-in that begins with it.

    Raises:
        Refused: the code is not known, expired or used; the login is taken or misshapen; the password is too weak; or
            there were too many attempts from this address.
    """
    login = normalise_login(login)
    code_sha256 = code_digest(code)
    attempt_id = await _attempt(doors, digest(f"code:{code_sha256.hex()}"), address)
    _check_login(login)
    _check_password(doors.settings, login, password)
    async with doors.database.transaction(DISTRICT) as conn:
        person_id = await accounts.invited(conn, code_sha256, await doors.clock.now(conn))
    if person_id is None:
        metrics.SIGN_INS.labels("wrong").inc()
        raise Refused(Refusal.UNKNOWN_CODE)
    row = accounts.AccountRow(person_id, login, await doors.passwords.hash(password))
    async with doors.database.transaction(DISTRICT) as conn:
        now = await doors.clock.now(conn)
        if await accounts.use_invitation(conn, code_sha256, now) != person_id:
            raise Refused(Refusal.UNKNOWN_CODE)
        if not await _open_accounts(conn, [row], now):
            await _replace_credentials(conn, row)
        await accounts.note_success(conn, attempt_id)
        token = await _start_session(doors, conn, person_id, now)
    metrics.SIGN_INS.labels("joined").inc()
    return token


async def _replace_credentials(conn: Connection, row: accounts.AccountRow) -> None:
    try:
        await accounts.replace_credentials(conn, row)
    except asyncpg.UniqueViolationError as error:
        raise Refused(Refusal.LOGIN_TAKEN) from error


def _check_login(login: str) -> None:
    if not LOGIN_MIN_LENGTH <= len(login) <= LOGIN_MAX_LENGTH or not login.isprintable() or " " in login:
        raise Refused(Refusal.LOGIN_FORM)


def _check_password(settings: Settings, login: str, password: str) -> None:
    if not settings.password_min_length <= len(password) <= PASSWORD_MAX_LENGTH:
        raise Refused(Refusal.PASSWORD_LENGTH)
    lowered = password.casefold()
    if login in lowered or len(set(lowered)) < 5 or lowered in "01234567890123456789 qwertyuiopasdfghjklzxcvbnm":
        raise Refused(Refusal.PASSWORD_EASY)


async def sign_in(doors: Doors, *, login: str, password: str, address: str) -> str:
    """Checks a login and password; an unknown login takes as long as a wrong password.

    Returns:
        The token of the sign-in.

    Raises:
        Refused: they do not fit, or there were too many failed attempts of this login or from this address.
    """
    login = normalise_login(login)
    if not login.isprintable():
        # No login has such characters, and the database's text cannot hold all of them.
        metrics.SIGN_INS.labels("wrong").inc()
        raise Refused(Refusal.WRONG_CREDENTIALS)
    attempt_id = await _attempt(doors, digest(f"login:{login}"), address)
    async with doors.database.transaction(DISTRICT) as conn:
        account = await accounts.account_of_login(conn, login)
    right = await doors.passwords.matches(
        account.password_hash if account else None, password[: PASSWORD_MAX_LENGTH + 1]
    )
    if account is None or not right:
        metrics.SIGN_INS.labels("wrong").inc()
        raise Refused(Refusal.WRONG_CREDENTIALS)
    renewed = await doors.passwords.hash(password) if doors.passwords.outdated(account.password_hash) else None
    async with doors.database.transaction(DISTRICT) as conn:
        # Checking takes a while, in which the password may have been set anew and all sessions ended.
        if not await accounts.still_has_password(conn, account.person_id, account.password_hash):
            metrics.SIGN_INS.labels("wrong").inc()
            raise Refused(Refusal.WRONG_CREDENTIALS)
        await accounts.note_success(conn, attempt_id)
        if renewed is not None:
            await accounts.replace_hash(conn, account.person_id, renewed)
        token = await _start_session(doors, conn, account.person_id, await doors.clock.now(conn))
    metrics.SIGN_INS.labels("ok").inc()
    return token


async def _attempt(doors: Doors, subject_sha256: bytes, address: str) -> int:
    """Notes the attempt and commits that, then counts: of a hundred at once each is counted before it is made.

    One that is refused here is forgotten again, so that whoever keeps knocking does not keep the door shut. Failures of
    a login from other addresses only slow it down: nobody can close somebody else's login.

    Raises:
        Refused: too many attempts of this login from this address, or from this address at all.
    """
    address_sha256 = digest(f"address:{address}")
    async with doors.database.transaction(DISTRICT) as conn:
        now = await doors.clock.now(conn)
        attempt_id = await accounts.note_attempt(conn, subject_sha256, address_sha256, now)
    async with doors.database.transaction(DISTRICT) as conn:
        failed = await accounts.failures(conn, subject_sha256, address_sha256, now - doors.window)
    if (
        failed.of_subject_here > doors.settings.sign_in_failures_per_login
        or failed.of_address > doors.settings.sign_in_failures_per_address
    ):
        async with doors.database.transaction(DISTRICT) as conn:
            await accounts.forget_attempt(conn, attempt_id)
        metrics.SIGN_INS.labels("limited").inc()
        raise Refused(Refusal.TOO_MANY_ATTEMPTS)
    if failed.of_subject > doors.settings.sign_in_failures_before_slow:
        metrics.SLOWED_SIGN_INS.inc()
        await asyncio.sleep(doors.settings.sign_in_slow_seconds)
    return attempt_id


async def _start_session(doors: Doors, conn: Connection, person_id: UUID, now: datetime) -> str:
    token = new_token()
    expires_at = now + timedelta(hours=doors.settings.session_hours)
    await accounts.start_session(conn, digest(token), person_id, now, expires_at)
    return token


async def sign_out(doors: Doors, token: str) -> None:
    """Ends a sign-in."""
    async with doors.database.transaction(DISTRICT) as conn:
        await accounts.end_session(conn, digest(token))


async def person_of_session(doors: Doors, token: str) -> UUID | None:
    """Who is signed in with this token, if it has not ended."""
    async with doors.database.transaction(DISTRICT) as conn:
        return await accounts.person_of_session(conn, digest(token), doors.idle)


async def erase_accounts(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """People were erased: nobody signs in for them any more, and that is told."""
    await publish(conn, await accounts.deactivate(conn, person_ids, now))


async def prune(doors: Doors) -> int:
    """Deletes attempts, sign-ins and invitations that no longer count, and canaries that have flown."""
    async with doors.database.transaction(DISTRICT) as conn:
        await accounts.prune(conn, doors.window, doors.idle)
        await canaries.forget(conn, await doors.clock.now(conn))
    return 0


async def tell_visible(conn: Connection, versions: set[tuple[UUID, int]], now: datetime) -> None:
    """Publishes who can see these versions: one event for each, with everybody who can so far."""
    if not versions:
        return
    crash_here("cabinet.acknowledged")
    await publish(conn, await acknowledging.next_revision(conn, versions, now))
    metrics.ACKNOWLEDGED.inc(len(versions))
    crash_here("cabinet.acknowledgement_published")


async def acknowledge_due(database: Database, clock: Clock, limit: int) -> int:
    """One round of the loop: what becomes visible by the clock, or by a later consent, account or authority.

    Returns:
        How many students were looked at.
    """
    async with database.transaction(DISTRICT) as conn:
        if not await acknowledging.something_due(conn, await clock.now(conn)):
            return 0
        await acknowledging.lock_while_looking(conn)
        now = await clock.now(conn)
        students = await acknowledging.take_due(conn, now, limit)
        if students:
            await tell_visible(conn, await acknowledging.acknowledge_students(conn, students, now), now)
        crash_here("cabinet.looked_before_commit")
    return len(students)


async def visible_results(database: Database, person_id: UUID) -> list[reading.ShownResult]:
    """What a read by this person would show now: for a checker. Nothing but the database's policies decides."""
    async with database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        return await reading.all_shown(conn)
