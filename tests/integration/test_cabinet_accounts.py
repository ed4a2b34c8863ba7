"""Accounts: invitations, bulk creation, signing in, limits, sessions."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from contracts.invitation_issued import CODE_ALPHABET
from services.cabinet.handlers import (
    Doors,
    NewAccount,
    Refusal,
    Refused,
    create_accounts,
    invite,
    join,
    person_of_session,
    prune,
    sign_in,
    sign_out,
)
from services.cabinet.passwords import Passwords
from tests.browser.cabinet_world import PASSWORD, World, settings_for

Databases = Callable[[str], Awaitable[Database]]
CHANGED = "cabinet.account-changed.v1"
ADDRESS = "192.0.2.7"


@pytest.fixture
async def doors(service_database: Databases) -> Doors:
    database = await service_database("cabinet")
    settings = settings_for(database.url, sign_in_failures_per_login=3, sign_in_failures_per_address=8)
    return Doors(database, settings, Passwords(settings), FixedClock(datetime.now(UTC)))


def _advance(doors: Doors, by: timedelta) -> None:
    assert isinstance(doors.clock, FixedClock)
    doors.clock.advance(by)


async def _invite(doors: Doors, person_id: UUID) -> str:
    return (await invite(doors.database, doors.settings, person_id, clock=doors.clock)).code


async def _join(doors: Doors, code: str, login: str = "Elena.P", password: str = PASSWORD) -> str:
    return await join(doors, code=code, login=login, password=password, address=ADDRESS)


async def _sign_in(doors: Doors, login: str = "elena.p", password: str = PASSWORD, address: str = ADDRESS) -> str:
    return await sign_in(doors, login=login, password=password, address=address)


async def _count(doors: Doors, query: str, *arguments: Any) -> int:
    async with doors.database.transaction(DISTRICT) as conn:
        count: int = await conn.fetchval(query, *arguments)
    return count


async def test_an_invitation_makes_an_account_tells_it_and_signs_in(doors: Doors) -> None:
    person_id = uuid4()
    token = await _join(doors, await _invite(doors, person_id))
    assert await person_of_session(doors, token) == person_id
    (told,) = await World(doors.database).published(CHANGED)
    assert (UUID(told["person_id"]), told["active"], told["revision"]) == (person_id, True, 1)
    assert await person_of_session(doors, await _sign_in(doors, " ELENA.p ")) == person_id


async def test_a_code_is_printable_unguessable_and_kept_only_as_a_digest(doors: Doors) -> None:
    code = await _invite(doors, uuid4())
    assert len(code.replace("-", "")) >= 12
    assert set(code) <= {*CODE_ALPHABET, "-"}
    async with doors.database.transaction(DISTRICT) as conn:
        row = await conn.fetchrow("SELECT * FROM invitations")
    assert row is not None
    assert code.replace("-", "").encode() not in bytes(row["code_sha256"])


async def test_a_code_may_be_typed_in_lower_case_with_spaces_or_on_a_russian_keyboard(doors: Doors) -> None:
    code = await _invite(doors, uuid4())
    typed = code.lower().replace("-", " ").translate(str.maketrans("abekmhpctyx", "авекмнрстух"))
    assert await _join(doors, typed)


async def test_a_code_works_once(doors: Doors) -> None:
    code = await _invite(doors, uuid4())
    await _join(doors, code)
    with pytest.raises(Refused) as refused:
        await _join(doors, code, login="another")
    assert refused.value.reason is Refusal.UNKNOWN_CODE


async def test_of_two_who_use_a_code_at_once_one_gets_in(doors: Doors) -> None:
    code = await _invite(doors, uuid4())
    answers = await asyncio.gather(
        _join(doors, code, "one.of.us"), _join(doors, code, "two.of.us"), return_exceptions=True
    )
    assert sorted(isinstance(answer, str) for answer in answers) == [False, True]
    assert await _count(doors, "SELECT count(*) FROM accounts") == 1


async def test_an_expired_code_is_unknown(doors: Doors) -> None:
    code = await _invite(doors, uuid4())
    _advance(doors, timedelta(days=doors.settings.invitation_days))
    with pytest.raises(Refused) as refused:
        await _join(doors, code)
    assert refused.value.reason is Refusal.UNKNOWN_CODE


async def test_a_new_code_replaces_the_one_before(doors: Doors) -> None:
    person_id = uuid4()
    lost = await _invite(doors, person_id)
    await _invite(doors, person_id)
    with pytest.raises(Refused):
        await _join(doors, lost)


async def test_a_code_for_somebody_with_an_account_sets_new_credentials_and_ends_all_sign_ins(doors: Doors) -> None:
    person_id = uuid4()
    stolen = await _join(doors, await _invite(doors, person_id))
    token = await _join(doors, await _invite(doors, person_id), login="elena.new", password="other words entirely")
    assert await person_of_session(doors, stolen) is None
    assert await person_of_session(doors, token) == person_id
    with pytest.raises(Refused):
        await _sign_in(doors)
    assert await _sign_in(doors, "elena.new", "other words entirely")
    assert len(await World(doors.database).published(CHANGED)) == 1


async def test_a_taken_login_leaves_the_code_usable(doors: Doors) -> None:
    await _join(doors, await _invite(doors, uuid4()))
    code = await _invite(doors, uuid4())
    with pytest.raises(Refused) as refused:
        await _join(doors, code, login="ELENA.P")
    assert refused.value.reason is Refusal.LOGIN_TAKEN
    assert await _join(doors, code, login="elena.two")


@pytest.mark.parametrize(
    ("login", "password", "reason"),
    [
        ("ab", PASSWORD, Refusal.LOGIN_FORM),
        ("with space", PASSWORD, Refusal.LOGIN_FORM),
        ("x" * 65, PASSWORD, Refusal.LOGIN_FORM),
        ("elena", "short", Refusal.PASSWORD_LENGTH),
        ("elena", "x" * 129, Refusal.PASSWORD_LENGTH),
        ("elena", "Elena-2026-diary", Refusal.PASSWORD_EASY),
        ("elena", "1111111111111", Refusal.PASSWORD_EASY),
        ("elena", "1234567890", Refusal.PASSWORD_EASY),
    ],
)
async def test_weak_credentials_are_refused_by_name_and_leave_the_code_usable(
    doors: Doors, login: str, password: str, reason: Refusal
) -> None:
    code = await _invite(doors, uuid4())
    with pytest.raises(Refused) as refused:
        await _join(doors, code, login, password)
    assert refused.value.reason is reason
    assert await _join(doors, code)


async def test_bulk_creation_makes_each_account_once(doors: Doors) -> None:
    wanted = [NewAccount(uuid4(), f"family{number}", f"{PASSWORD} {number}") for number in range(3)]
    done: list[int] = []
    assert await create_accounts(doors.database, doors.settings, wanted, on_progress=done.append) == 3
    assert await create_accounts(doors.database, doors.settings, wanted) == 0
    assert done == [3]
    assert len(await World(doors.database).published(CHANGED)) == 3
    token = await _sign_in(doors, "family1", f"{PASSWORD} 1")
    assert await person_of_session(doors, token) == wanted[1].person_id


async def test_bulk_creation_with_a_taken_login_says_so_and_makes_nothing(doors: Doors) -> None:
    await create_accounts(doors.database, doors.settings, [NewAccount(uuid4(), "taken", PASSWORD)])
    both = [NewAccount(uuid4(), "free", PASSWORD), NewAccount(uuid4(), "Taken", PASSWORD)]
    with pytest.raises(Refused):
        await create_accounts(doors.database, doors.settings, both)
    assert await _count(doors, "SELECT count(*) FROM accounts") == 1
    assert len(await World(doors.database).published(CHANGED)) == 1


async def test_neither_password_nor_token_nor_address_is_kept_in_the_clear(doors: Doors, service_database: Any) -> None:
    token = await _join(doors, await _invite(doors, uuid4()))
    with pytest.raises(Refused):
        await _sign_in(doors, "somebody.else")
    async with service_database.as_superuser("cabinet") as conn:
        for table in ("accounts", "sessions", "sign_in_attempts", "outbox"):
            kept = "\n".join(str(row) for row in await conn.fetch(f"SELECT * FROM {table}"))
            for secret in (PASSWORD, token, ADDRESS, "somebody.else"):
                assert secret not in kept, table
        assert (await conn.fetchval("SELECT password_hash FROM accounts")).startswith("$argon2id$")


async def test_wrong_passwords_and_unknown_logins_are_refused_alike(doors: Doors) -> None:
    await _join(doors, await _invite(doors, uuid4()))
    reasons = []
    for login, password in (("elena.p", "wrong password"), ("nobody", PASSWORD)):
        with pytest.raises(Refused) as refused:
            await _sign_in(doors, login, password)
        reasons.append((refused.value.reason, str(refused.value)))
    assert reasons[0] == reasons[1]


async def test_an_unknown_login_is_hashed_like_a_known_one(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = doors.passwords._verify

    def noting(kept: str, typed: str) -> bool:
        checked.append(kept)
        return real(kept, typed)

    monkeypatch.setattr(doors.passwords, "_verify", noting)
    with pytest.raises(Refused):
        await _sign_in(doors, "nobody", PASSWORD)
    assert len(checked) == 1
    assert checked[0].startswith("$argon2id$")


async def test_after_some_failures_a_login_is_closed_where_they_came_from_even_to_the_right_password(
    doors: Doors,
) -> None:
    await _join(doors, await _invite(doors, uuid4()))
    for _ in range(3):
        assert await _refusal(doors, password="wrong", address="203.0.113.1") is Refusal.WRONG_CREDENTIALS
    assert await _refusal(doors, address="203.0.113.1") is Refusal.TOO_MANY_ATTEMPTS
    assert await _sign_in(doors), "the person at home is not locked out by it"
    _advance(doors, doors.window)
    assert await _sign_in(doors, address="203.0.113.1")


async def test_attempts_that_are_refused_do_not_keep_a_login_closed(doors: Doors) -> None:
    await _join(doors, await _invite(doors, uuid4()))
    for _ in range(3):
        assert await _refusal(doors, password="wrong") is Refusal.WRONG_CREDENTIALS
    for _ in range(20):
        _advance(doors, doors.window / 21)
        assert await _refusal(doors) is Refusal.TOO_MANY_ATTEMPTS
    _advance(doors, doors.window / 21)
    assert await _sign_in(doors)


async def test_many_failures_of_a_login_from_everywhere_slow_it_down_and_do_not_close_it(
    doors: Doors,
) -> None:
    settings = doors.settings.model_copy(update={"sign_in_failures_before_slow": 5, "sign_in_slow_seconds": 0.3})
    slow = Doors(doors.database, settings, doors.passwords, doors.clock)
    await _join(doors, await _invite(doors, uuid4()))
    for number in range(5):
        begun = time.monotonic()
        assert await _refusal(slow, password="wrong", address=f"198.51.100.{number}") is Refusal.WRONG_CREDENTIALS
        assert time.monotonic() - begun < 0.3
    begun = time.monotonic()
    assert await _sign_in(slow)
    assert time.monotonic() - begun >= 0.3
    begun = time.monotonic()
    assert await _refusal(slow, login="another", password="wrong") is Refusal.WRONG_CREDENTIALS
    assert time.monotonic() - begun < 0.3, "another login is not slowed down"


async def _refusal(doors: Doors, **attempt: str) -> Refusal:
    with pytest.raises(Refused) as refused:
        await _sign_in(doors, **attempt)
    return refused.value.reason


async def test_an_address_that_tries_many_logins_is_closed(doors: Doors) -> None:
    for number in range(8):
        with pytest.raises(Refused):
            await _sign_in(doors, f"login{number}", "wrong")
    with pytest.raises(Refused) as refused:
        await _sign_in(doors, "login9", "wrong")
    assert refused.value.reason is Refusal.TOO_MANY_ATTEMPTS
    with pytest.raises(Refused) as refused:
        await _join(doors, "AAAA-AAAA-AAAA")
    assert refused.value.reason is Refusal.TOO_MANY_ATTEMPTS


async def test_many_attempts_at_once_are_all_counted(doors: Doors) -> None:
    await _join(doors, await _invite(doors, uuid4()))
    answers = await asyncio.gather(*(_sign_in(doors, password=f"guess {n}") for n in range(12)), return_exceptions=True)
    reasons = [answer.reason for answer in answers if isinstance(answer, Refused)]
    assert reasons.count(Refusal.WRONG_CREDENTIALS) <= 3
    assert len(reasons) == 12


async def test_who_signs_in_rightly_is_never_closed_out(doors: Doors) -> None:
    await _join(doors, await _invite(doors, uuid4()))
    for _ in range(10):
        assert await _sign_in(doors)


async def test_signing_out_ends_this_sign_in_and_no_other(doors: Doors) -> None:
    person_id = uuid4()
    phone = await _join(doors, await _invite(doors, person_id))
    desk = await _sign_in(doors)
    await sign_out(doors, phone)
    assert await person_of_session(doors, phone) is None
    assert await person_of_session(doors, desk) == person_id


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET expires_at = clock_timestamp()",
        "UPDATE sessions SET seen_at = clock_timestamp() - interval '72 hours'",
        "UPDATE accounts SET active = false",
    ],
    ids=["its time is over", "it was not used", "the account is gone"],
)
async def test_a_sign_in_ends(doors: Doors, change: str) -> None:
    token = await _join(doors, await _invite(doors, uuid4()))
    async with doors.database.transaction(DISTRICT) as conn:
        await conn.execute(change)
    assert await person_of_session(doors, token) is None


async def test_using_a_sign_in_keeps_it_alive(doors: Doors) -> None:
    token = await _join(doors, await _invite(doors, uuid4()))
    async with doors.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE sessions SET seen_at = clock_timestamp() - interval '71 hours'")
    assert await person_of_session(doors, token)
    stale = "SELECT count(*) FROM sessions WHERE seen_at < clock_timestamp() - interval '1 hour'"
    assert await _count(doors, stale) == 0


async def test_a_hash_with_old_parameters_is_renewed_at_the_next_sign_in(doors: Doors) -> None:
    await _join(doors, await _invite(doors, uuid4()))
    stronger = settings_for(doors.database.url, argon2_time_cost=2)
    renewed = Doors(doors.database, stronger, Passwords(stronger), doors.clock)
    assert await _sign_in(renewed)
    assert await _count(doors, "SELECT count(*) FROM accounts WHERE password_hash LIKE '%t=2%'") == 1
    assert await _sign_in(renewed)


async def test_what_no_longer_counts_is_pruned(doors: Doors) -> None:
    token = await _join(doors, await _invite(doors, uuid4()))
    code = await _invite(doors, uuid4())
    async with doors.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE sign_in_attempts SET attempted_at = clock_timestamp() - interval '1 day'")
    assert await prune(doors) == 0
    assert await _count(doors, "SELECT count(*) FROM sign_in_attempts") == 0
    assert await person_of_session(doors, token)
    assert await _join(doors, code, login="another.one")


async def test_a_login_that_no_database_can_hold_is_a_wrong_login_and_no_failure(doors: Doors) -> None:
    with pytest.raises(Refused) as refused:
        await sign_in(doors, login="anna\0", password=PASSWORD, address=ADDRESS)
    assert refused.value.reason is Refusal.WRONG_CREDENTIALS


class _SlowChecks(Passwords):
    """Checks a password while something else happens."""

    def __init__(self, doors: Doors, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(doors.settings)
        self._meanwhile = meanwhile

    async def matches(self, password_hash: str | None, password: str) -> bool:
        right = await super().matches(password_hash, password)
        await self._meanwhile()
        return right


async def test_a_sign_in_under_way_does_not_outlive_a_new_password(doors: Doors) -> None:
    person_id = uuid4()
    await _join(doors, await _invite(doors, person_id))
    code = await _invite(doors, person_id)

    async def set_anew() -> None:
        await _join(doors, code, password=f"{PASSWORD} anew")

    slow = Doors(doors.database, doors.settings, _SlowChecks(doors, set_anew), doors.clock)
    with pytest.raises(Refused) as refused:
        await _sign_in(slow)
    assert refused.value.reason is Refusal.WRONG_CREDENTIALS
    assert await person_of_session(doors, await _sign_in(doors, password=f"{PASSWORD} anew")) == person_id
