"""The feed of changes: complete, in order, each school's own, and nothing lost when transactions overlap."""

from datetime import timedelta
from typing import Any

import pytest

from chassis.database import DISTRICT, Connection
from services.gradebook import changes
from tests.integration.test_gradebook_api import Api, a_grade, api
from tests.integration.test_gradebook_journal import SET_AT, district, journal

__all__ = ["api", "district", "journal"]


async def feed(api: Api, *, by: str = "district", after: str | None = None, limit: int = 500) -> dict[str, Any]:
    """A page of the feed."""
    query = {"limit": limit} | ({} if after is None else {"after": after})
    answer = await api.call("GET", "/v1/changes", by=by, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def _follow(api: Api, *, by: str, limit: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        part = await feed(api, by=by, after=cursor, limit=limit)
        items, cursor = items + part["items"], part["next"]
        if not part["more"]:
            return items


async def test_every_revision_is_in_the_feed_with_the_ids_of_the_journal(api: Api) -> None:
    items = (await feed(api))["items"]
    highest = {(item["kind"], item["id"]): item["revision"] for item in items}
    expected = {("mark", "m1"), ("final_grade", "g2"), ("exam_result", "e1"), ("person", "p1"), ("group", "7b-2")}
    assert expected | {("school", "1")} <= highest.keys()
    async with api.journal.database.transaction(DISTRICT) as conn:
        for table, kind in (("persons", "person"), ("study_groups", "group"), ("marks", "mark")):
            rows = await conn.fetch(f"SELECT external_id, revision FROM {table}")
            assert {row["external_id"]: row["revision"] for row in rows} == {
                name: revision for (one, name), revision in highest.items() if one == kind
            }


async def test_a_change_leads_to_the_record(api: Api) -> None:
    cursor = (await feed(api))["next"]
    await api.post("/v1/schools/{1}/final-grades", [a_grade("g/1"), a_grade("g1", subject_id="alg", value="5")])
    await api.post("/v1/schools/{1}/final-grades", [a_grade("g/1")])
    part = await feed(api, after=cursor)
    told = {(item["kind"], item["id"], item["revision"], item["state"]) for item in part["items"]}
    assert told == {("final_grade", "g/1", 1, "set"), ("final_grade", "g1", 2, "set")}
    for item in part["items"]:
        read = await api.call("GET", item["link"], by="1")
        assert (read.status_code, read.headers["etag"]) == (200, f'"{item["revision"]}"')
    again = await feed(api, after=part["next"])
    assert (again["items"], again["more"]) == ([], False)


@pytest.mark.parametrize("limit", [1, 4])
async def test_pages_together_are_the_whole(api: Api, limit: int) -> None:
    for by in ("1", "district"):
        assert await _follow(api, by=by, limit=limit) == (await feed(api, by=by))["items"]


async def test_a_school_sees_its_own_changes_and_persons(api: Api) -> None:
    everything = (await feed(api))["items"]
    for number, own, foreign in (("1", {"s1", "s2", "p1", "t1"}, "m2"), ("2", {"s3", "p1"}, "m1")):
        items = (await feed(api, by=number))["items"]
        assert {item["school_id"] for item in items} == {str(api.schools[number]), None}
        assert {item["id"] for item in items if item["kind"] == "person"} == own
        assert foreign not in {item["id"] for item in items}
        assert all(item in everything for item in items)
    assert (await api.call("GET", "/v1/changes", by="nobody")).status_code == 401


async def _note(conn: Connection, api: Api, name: str) -> None:
    await conn.execute(
        "INSERT INTO marks (mark_id, school_id, student_id, subject_id, source, external_id, lesson_on, work_type,"
        " weight, value, state, recorded_at, revision) VALUES (gen_random_uuid(), $1, gen_random_uuid(),"
        " gen_random_uuid(), 'district', $2, '2026-10-12', 'answer', 1, '5', 'recorded', now(), 1)",
        api.schools["1"],
        name,
    )


async def test_what_commits_late_is_not_lost_behind_the_cursor(api: Api) -> None:
    cursor = (await feed(api))["next"]
    database = api.journal.database
    async with database.transaction(DISTRICT) as slow:
        await _note(slow, api, "slow")
        async with database.transaction(DISTRICT) as quick:
            await _note(quick, api, "quick")
        # The quick one is there already; shown now, the cursor would have passed the slow one.
        assert await database_has(api, "quick")
        between = await feed(api, after=cursor)
        assert between["items"] == []
    after = await feed(api, after=between["next"])
    assert [item["id"] for item in after["items"]] == ["slow", "quick"]


async def database_has(api: Api, name: str) -> bool:
    """Whether a mark of that id is committed."""
    async with api.journal.database.transaction(DISTRICT) as conn:
        return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM marks WHERE external_id = $1)", name))


async def test_old_changes_are_forgotten_and_an_old_cursor_is_told_so(api: Api) -> None:
    cursor = (await feed(api))["next"]
    loop = changes.forgetting(api.journal.database, api.journal.clock, keep_days=400)
    assert await loop.work() == 0
    api.journal.clock.advance(timedelta(days=401))
    expired = await api.call("GET", "/v1/changes", by="1", params={"after": cursor})
    assert (expired.status_code, expired.json()["code"]) == (410, "cursor_expired")
    assert await loop.work() > 0
    assert (await feed(api))["items"] == []
    await api.post("/v1/schools/{1}/final-grades", [a_grade("n1", obtained_at=SET_AT)])
    assert [item["id"] for item in (await feed(api))["items"]] == ["n1"]


@pytest.mark.parametrize("cursor", ["", "x", "MS4y", "MS4yLng", "LTEuMi4z", "MS4yLjk5OTk5OTk5OTk5OTk5OTk5", "é"])
async def test_a_cursor_that_is_none_is_a_problem(api: Api, cursor: str) -> None:
    answer = await api.call("GET", "/v1/changes", params={"after": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")
