"""The HTTP API, the ledger's export and check over the database, replay, and who may see what."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from chassis.auth import create_client
from chassis.database import DISTRICT, school
from chassis.service import Service
from contracts.disclosure_overdue import DisclosureOverdue
from contracts.extract_requested import ExtractRequested
from contracts.result_disclosed import ResultDisclosed
from services.publisher import proving
from services.publisher.api import make_router
from services.publisher.replay import replay
from services.publisher.settings import Settings
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.support.databases import ServiceDatabases


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


async def a_client(district: District, school_id: UUID | None) -> httpx.AsyncClient:
    async with district.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=school_id, label="test")
    service = Service(
        settings=Settings(database_url="unused", kafka_bootstrap="unused"),
        database=district.database,
        title="publisher",
        routers=[make_router(district.database, district.clock)],
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app()),
        base_url="http://publisher",
        headers={"Authorization": f"Bearer {token}"},
    )


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def a_lively_school(district: District) -> tuple[Any, UUID]:
    """One result seen by the mother, printed for the father after it was overdue, and handed over."""
    family, result = await district.known_family(email="mother@example.org"), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(25 * HOUR)
    await district.deadlines.notice_overdue()
    request = (await district.asked_for_paper())[0]
    await district.tell(family.printed(request, at=district.now, number="2026/000007"))
    await district.tell(family.handed_over(request, at=district.now))
    return family, result


async def test_the_board_shows_what_is_open_by_urgency_page_by_page(district):
    family, results = await district.known_family(), [uuid4() for _ in range(3)]
    for hours, result in enumerate(results):
        await district.tell(family.grade(result, obtained=START - hours * HOUR))
    client = await a_client(district, district.school_id)
    path = f"/v1/schools/{district.school_id}/obligations"
    seen, cursor = [], None
    while True:
        page = await get(client, path, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({one["obligation_id"] for one in seen}) == 9
    assert [one["due_at"] for one in seen] == sorted(one["due_at"] for one in seen)
    paper = await get(client, path, route="paper", due_within_hours=22.5)
    assert [(one["result_id"], one["recipient_id"]) for one in paper["items"]] == [
        (str(results[2]), str(family.father))
    ]


async def test_the_summary_counts_by_route(district):
    family = await district.known_family()
    await district.tell(family.grade(uuid4()), family.grade(uuid4()))
    client = await a_client(district, None)
    summary = await get(client, f"/v1/schools/{district.school_id}/summary")
    assert {one["route"]: one["open"] for one in summary["routes"]} == {
        "screen": 2,
        "paper": 2,
        "with_representative": 2,
    }


async def test_a_proof_tells_who_could_see_a_result_when_how_and_why(district):
    family, result = await a_lively_school(district)
    client = await a_client(district, district.school_id)
    proof = await get(client, f"/v1/results/{result}/proof")
    told = {(one["kind"], one["recipient_id"]): one for one in proof["entries"]}
    mother, father = str(family.mother), str(family.father)
    assert told["available", mother]["consent_id"] == str(family.consent_ids[family.mother])
    assert told["available", father]["extract_number"] == "2026/000007"
    assert told["available", father]["late"] == "by_us"
    assert {kind for kind, person in told if person == father} == {"overdue", "available", "handed_over"}


async def test_the_exported_ledger_is_checked_offline_and_damage_is_found(district, tmp_path: Path):
    await a_lively_school(district)
    client = await a_client(district, district.school_id)
    answer = await client.get(f"/v1/schools/{district.school_id}/ledger")
    assert answer.headers["content-type"] == "application/x-ndjson"
    path = tmp_path / "ledger.ndjson"
    path.write_bytes(answer.content)
    assert (await proving.verify_file(path)).holds
    path.write_bytes(answer.content.replace(b"by_us", b"no"))
    assert not (await proving.verify_file(path)).holds
    assert await proving.export_file(district.database, path, district.school_id) == len(answer.content.splitlines())
    assert path.read_bytes() == answer.content


async def test_the_ledger_in_the_database_is_checked_and_damage_is_found(district, service_database: ServiceDatabases):
    await a_lively_school(district)
    checked = await proving.verify_database(district.database)
    assert checked.holds
    assert checked.entries == len(await district.ledger())
    attacks = {
        "a changed entry": "UPDATE ledger SET entry = replace(entry, 'by_us', 'no')",
        "a removed entry": "DELETE FROM ledger WHERE seq = 2",
        "a removed end": "DELETE FROM ledger WHERE seq = (SELECT max(seq) FROM ledger)",
        "an added entry": "INSERT INTO ledger SELECT school_id, seq + 1, result_id, hash, hash, entry FROM ledger "
        "ORDER BY seq DESC LIMIT 1",
        "a moved head": "UPDATE ledger_heads SET seq = seq - 1",
        "a removed head": "DELETE FROM ledger_heads",
    }
    for attack, statement in attacks.items():
        async with service_database.as_superuser("publisher") as conn:
            await conn.execute("CREATE TABLE kept AS TABLE ledger")
            await conn.execute("CREATE TABLE kept_heads AS TABLE ledger_heads")
            await conn.execute("ALTER TABLE ledger DISABLE TRIGGER ALL; ALTER TABLE ledger_heads DISABLE TRIGGER ALL")
            await conn.execute(statement)
            assert not (await proving.verify_database(district.database, district.school_id)).holds, attack
            await conn.execute("DELETE FROM ledger; INSERT INTO ledger TABLE kept; DROP TABLE kept")
            await conn.execute("DELETE FROM ledger_heads; INSERT INTO ledger_heads TABLE kept_heads")
            await conn.execute("DROP TABLE kept_heads; ALTER TABLE ledger ENABLE TRIGGER ALL")
            await conn.execute("ALTER TABLE ledger_heads ENABLE TRIGGER ALL")
    assert (await proving.verify_database(district.database)).holds


async def test_an_obligation_that_is_met_can_never_change_its_state(district):
    await a_lively_school(district)
    for state in ("open", "cancelled", "superseded"):
        with pytest.raises(asyncpg.CheckViolationError):
            await district.query(
                "UPDATE obligations SET state = $1, available_at = NULL, late = NULL "
                "WHERE state = 'available' RETURNING 1",
                state,
            )


async def test_mails_that_wait_for_an_operator_are_listed(district):
    family, _ = await a_lively_school(district)
    await district.query("UPDATE notifications SET state = 'claimed', claimed_at = queued_at RETURNING 1")
    await district.query("UPDATE notifications SET state = 'undecided', settled_at = queued_at RETURNING 1")
    client = await a_client(district, None)
    page = await get(client, "/v1/notifications/undecided")
    assert [(one["recipient_id"], one["state"]) for one in page["items"]] == [(str(family.mother), "undecided")]
    assert "mother@example.org" not in str(page)
    assert (await get(client, "/v1/notifications/undecided", state="failed"))["items"] == []


async def test_one_school_never_sees_another(district):
    _, result = await a_lively_school(district)
    await district.query("UPDATE notifications SET state = 'failed', settled_at = queued_at RETURNING 1")
    stranger = await a_client(district, uuid4())
    for path in ("obligations", "summary", "ledger"):
        answer = await stranger.get(f"/v1/schools/{district.school_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_school")
    assert (await stranger.get(f"/v1/results/{result}/proof")).status_code == 404
    assert (await get(stranger, "/v1/notifications/undecided"))["items"] == []


async def test_without_a_token_nothing_is_told(district):
    client = await a_client(district, None)
    client.headers.pop("Authorization")
    for path in (
        f"/v1/schools/{district.school_id}/obligations",
        f"/v1/schools/{district.school_id}/summary",
        f"/v1/schools/{district.school_id}/ledger",
        f"/v1/results/{uuid4()}/proof",
        "/v1/notifications/undecided",
    ):
        assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    "cursor", ["x", "!!!", "MjAyNi0xMC0yM3x4", "MjAyNi0xMC0yM3wwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA"]
)
async def test_a_foreign_cursor_is_a_clear_error(district, cursor):
    client = await a_client(district, None)
    answer = await client.get(f"/v1/schools/{district.school_id}/obligations", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_row_level_security_shows_a_school_its_own_and_nobody_else_anything(district):
    await a_lively_school(district)
    protected = ("obligations", "results", "ledger", "notifications", "extract_requests", "disclosure_versions")
    private = ("students", "consents", "accounts", "representations", "early_availability", "consent_freshness")
    foreign, own = school(uuid4()), school(district.school_id)
    async with district.database.transaction(own) as conn:
        assert all([await conn.fetchval(f"SELECT count(*) FROM {table}") for table in protected])
        assert not any([await conn.fetchval(f"SELECT count(*) FROM {table}") for table in private])
        assert await conn.execute("UPDATE obligations SET due_at = now()") == "UPDATE 0"
    async with district.database.transaction(foreign) as conn:
        assert not any([await conn.fetchval(f"SELECT count(*) FROM {table}") for table in protected + private])
    plain = await asyncpg.connect(district.database.url)
    try:
        assert not any([await plain.fetchval(f"SELECT count(*) FROM {table}") for table in protected + private])
    finally:
        await plain.close()


async def test_replay_tells_the_last_state_of_everything_under_the_same_ids(district):
    family, result = await a_lively_school(district)
    await district.tell(family.grade(result, 2, "5", obtained=district.now))
    await district.advance(HOUR)
    await district.asked_for_paper()
    await district.tell(family.grade(result, 3, state="withdrawn"))

    async def last_states() -> dict[Any, bytes]:
        kinds = (ExtractRequested, ResultDisclosed, DisclosureOverdue)
        events = [event for kind in kinds for event in await district.published(kind)]
        return {(type(event), event.aggregate()): event.event_id().bytes + event.to_json() for event in events}

    before = await last_states()
    await district.query("DELETE FROM outbox RETURNING 1")
    assert await replay(district.database) == len(before)
    assert await last_states() == before
