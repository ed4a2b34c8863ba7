"""Requests that are sent again: one effect, one answer, and never another request's."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chassis.database import DISTRICT, school
from services.gradebook import idempotency
from tests.integration.test_gradebook_api import Api, a_grade, api
from tests.integration.test_gradebook_journal import NOW, district, journal
from tests.support.waiting import eventually

__all__ = ["api", "district", "journal"]

PATH = "/v1/schools/{1}/final-grades"


async def send(api: Api, key: str, records: list[Any], *, by: str = "1", query: str = "") -> httpx.Response:
    """Sends records under a key."""
    return await api.call("POST", PATH + query, by=by, json=records, headers={"Idempotency-Key": key})


async def test_the_same_request_gets_the_answer_of_the_first_one(api: Api) -> None:
    first = await send(api, "k1", [a_grade()])
    again = await send(api, '"k1"', [a_grade()])
    assert first.json()["added"] == 1
    assert (again.status_code, again.json()) == (200, first.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await api.journal.told()) == 1


async def test_a_key_stands_for_one_request_of_one_client(api: Api) -> None:
    await send(api, "k1", [a_grade()])
    for records, query in (([a_grade(value="4")], ""), ([a_grade()], "?partial=true"), ([a_grade()], "?source=x")):
        other = await send(api, "k1", records, query=query)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert other.headers["content-type"] == "application/problem+json"
    foreign = await send(api, "k1", [a_grade()], by="district")
    assert (foreign.json()["unchanged"], "idempotency-replayed" in foreign.headers) == (1, False)


async def test_a_refused_request_is_judged_anew(api: Api) -> None:
    assert (await send(api, "k1", [a_grade(value="6")])).status_code == 422
    assert (await send(api, "k1", [a_grade(value="5")])).json()["added"] == 1


async def _somebody_waits(api: Api) -> bool:
    async with api.journal.database.transaction(DISTRICT) as conn:
        return bool(
            await conn.fetchval(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database()))"
            )
        )


async def test_while_a_request_runs_the_same_one_is_told_to_come_again(api: Api) -> None:
    async with api.journal.database.transaction(DISTRICT) as conn:
        # Whoever writes final grades of this school waits here, with the key in hand.
        await conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            f"gradebook/final_grades/{api.schools['1']}",
        )
        running = asyncio.create_task(send(api, "k1", [a_grade()]))
        await eventually(lambda: _somebody_waits(api), within=20)
        second = await asyncio.wait_for(send(api, "k1", [a_grade()]), timeout=20)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_use")
        assert not running.done()
    assert (await running).json()["added"] == 1
    assert (await send(api, "k1", [a_grade()])).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "ключ".encode()])
async def test_a_key_that_is_none_is_refused(api: Api, key: Any) -> None:
    response = await api.call("POST", PATH, json=[], headers={"Idempotency-Key": key})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_answers_are_forgotten_after_their_time(api: Api) -> None:
    await send(api, "k1", [a_grade()])
    loop = idempotency.forgetting(api.journal.database, api.journal.clock, keep_hours=48)
    api.journal.clock.advance(timedelta(hours=47))
    assert await loop.work() == 0
    api.journal.clock.advance(timedelta(hours=2))
    assert await loop.work() == 1
    assert "idempotency-replayed" not in (await send(api, "k1", [a_grade()])).headers
    assert api.journal.clock.at > NOW + timedelta(hours=48)


async def test_kept_answers_are_seen_by_their_school_only(api: Api) -> None:
    await send(api, "k1", [a_grade()])
    counts = {}
    for name, scope in (("own", school(api.schools["1"])), ("other", school(api.schools["2"])), ("all", DISTRICT)):
        async with api.journal.database.transaction(scope) as conn:
            counts[name] = await conn.fetchval("SELECT count(*) FROM idempotency_keys")
    assert counts == {"own": 1, "other": 0, "all": 1}
