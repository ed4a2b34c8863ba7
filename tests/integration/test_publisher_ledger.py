"""The ledger in the database: nobody changes it, its days are sealed and signed, and every result can be proved."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer.testing import CliRunner

from chassis.auth import create_client
from chassis.database import DISTRICT
from chassis.service import Service
from contracts.values import Decision
from services.publisher import ledger, metrics, proving
from services.publisher.api import make_router
from services.publisher.api_ledger import make_ledger_router
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.ledger_check import Known
from services.publisher.domain.ledger_faults import Break
from services.publisher.explaining import explain
from services.publisher.ledger_roots import LedgerRoots, load_signer
from services.publisher.settings import Settings
from sutki import console
from sutki.commands.keys import keys_app
from sutki.commands.proof import _KINDS, ledger_app
from tests.integration.publisher_district import HOUR, SECOND, START, District, Family
from tests.support.databases import ServiceDatabases
from tests.support.ledgers import a_signer

DAY = timedelta(days=1)
MOSCOW = "Europe/Moscow"
FIRST_DAY = date(2026, 10, 23)


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


def sealing(district: District, seed: int | None = 1) -> LedgerRoots:
    signer = None if seed is None else a_signer(seed)
    return LedgerRoots(district.database, district.clock, signer, MOSCOW, timedelta(minutes=5))


async def note(district: District, *schools: UUID, result: UUID | None = None, count: int = 1) -> None:
    """Something to tell about each school."""
    async with district.database.transaction(DISTRICT) as conn:
        notes = [
            ledger.Note(EntryKind.OVERDUE, school, result, {"student_id": uuid4(), "recipient_id": uuid4()})
            for school in schools
            for _ in range(count)
        ]
        await ledger.append(conn, notes, district.now)


async def sealed_days(district: District) -> list[date]:
    return [row["day"] for row in await district.query("SELECT day FROM ledger_roots ORDER BY day")]


async def seal_all(roots: LedgerRoots) -> int:
    count = 0
    while await roots.seal():
        count += 1
        assert count < 100, "it never comes to an end"
    return count


# Append-only


CHANGES = [
    f"{statement} {table}{rest}"
    for table in ("ledger", "ledger_keys", "ledger_roots", "ledger_school_days")
    for statement, rest in (("DELETE FROM", ""), ("TRUNCATE", " CASCADE"))
] + [
    "UPDATE ledger SET entry = ''",
    "UPDATE ledger_keys SET key_id = 'x'",
    "UPDATE ledger_roots SET statement = ''",
    "UPDATE ledger_school_days SET root = ''",
    "DELETE FROM ledger_heads",
    "TRUNCATE ledger_heads",
]


@pytest.mark.parametrize("statement", CHANGES)
async def test_the_service_s_role_has_no_right_to_change_what_was_written(district, statement):
    await note(district, district.school_id)
    await district.advance(DAY)
    await seal_all(sealing(district))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await district.query(statement)


async def test_no_right_to_change_the_ledger_is_granted_by_anybody_to_the_service(district):
    rows = await district.query(
        "SELECT t, p FROM unnest($1::text[]) t, unnest($2::text[]) p "
        "WHERE has_table_privilege('sutki_publisher', t, p)",
        ["ledger", "ledger_keys", "ledger_roots", "ledger_school_days"],
        ["UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"],
    )
    assert [tuple(row) for row in rows] == []


@pytest.mark.parametrize("statement", CHANGES)
async def test_not_even_the_owner_changes_it_by_mistake(district, service_database: ServiceDatabases, statement):
    await note(district, district.school_id)
    await district.advance(DAY)
    await seal_all(sealing(district))
    owner = await asyncpg.connect((await service_database.urls("publisher")).owner)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(statement)
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "change",
    [
        "seq = seq - 1, hash = (SELECT hash FROM ledger l WHERE l.school_id = h.school_id AND l.seq = h.seq - 1)",
        "hash = sha256('')",
        "seq = seq + 1",
        "seq = seq",
        "school_id = gen_random_uuid()",
    ],
)
async def test_a_head_moves_forward_only_onto_an_entry_that_is_there(district, change):
    await note(district, district.school_id, count=3)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="moves forward only"):
        await district.query(f"UPDATE ledger_heads h SET {change}")
    assert (await proving.verify_database(district.database)).holds


async def test_a_root_that_does_not_follow_the_day_before_is_refused_by_the_database(district):
    await note(district, district.school_id)
    await district.advance(DAY)
    await seal_all(sealing(district))
    for day, previous in ((FIRST_DAY + 2 * DAY, b""), (FIRST_DAY + DAY, bytes(32)), (FIRST_DAY - DAY, bytes(32))):
        with pytest.raises(asyncpg.CheckViolationError, match="does not follow"):
            await district.query(
                "INSERT INTO ledger_roots SELECT $1::date, statement, signature, $2::bytea, key_id, sealed_at "
                "FROM ledger_roots",
                day,
                previous,
            )


# Sealing


async def test_a_day_is_sealed_after_the_district_s_midnight_and_not_before(district):
    await note(district, district.school_id)
    roots = sealing(district)
    midnight = datetime(2026, 10, 24, tzinfo=ZoneInfo(MOSCOW))
    district.clock.at = midnight + timedelta(minutes=4, seconds=59)
    assert await roots.seal() == 0
    district.clock.at = midnight + timedelta(minutes=5)
    assert await roots.seal() == 1
    assert await sealed_days(district) == [FIRST_DAY]
    assert await roots.seal() == 0
    (loop,) = roots.loops()
    assert await loop.next_due_seconds() == DAY.total_seconds()


async def test_what_is_noted_after_midnight_belongs_to_the_next_day(district):
    await note(district, district.school_id, count=2)
    district.clock.at = datetime(2026, 10, 24, 0, 1, tzinfo=ZoneInfo(MOSCOW))
    await note(district, district.school_id, count=3)
    await district.advance(DAY + HOUR)
    assert await seal_all(sealing(district)) == 2
    rows = await district.query("SELECT first_seq, last_seq FROM ledger_school_days ORDER BY day")
    assert [tuple(row) for row in rows] == [(1, 2), (3, 5)]


async def test_missed_days_are_caught_up_with_also_those_on_which_nothing_happened(district):
    await note(district, district.school_id)
    await district.advance(3 * DAY)
    other = uuid4()
    await note(district, other)
    await district.advance(2 * DAY)
    roots = sealing(district)
    await roots.seal()
    assert metrics.LEDGER_DAYS_UNSEALED._value.get() == 4
    assert await seal_all(roots) == 4
    assert await sealed_days(district) == [FIRST_DAY + number * DAY for number in range(5)]
    rows = await district.query("SELECT day, school_id, last_seq - first_seq + 1 AS n FROM ledger_school_days")
    assert {(row["day"], row["school_id"]): row["n"] for row in rows} == {
        (FIRST_DAY + number * DAY, school): int((number == 0) == (school == district.school_id) and number in {0, 3})
        for number in range(5)
        for school in (district.school_id, other)
        if school == district.school_id or number >= 3
    }
    checked = await proving.verify_database(district.database)
    assert (checked.holds, checked.unsealed) == (True, 0)


async def test_of_any_number_of_processes_one_seals_a_day(district):
    await note(district, district.school_id, uuid4(), count=50)
    await district.advance(4 * DAY)
    processes = [sealing(district) for _ in range(6)]
    await asyncio.gather(*(seal_all(one) for one in processes))
    await seal_all(processes[0])
    assert await sealed_days(district) == [FIRST_DAY + number * DAY for number in range(4)]
    assert (await proving.verify_database(district.database)).holds


async def test_sealing_while_others_append_leaves_no_entry_out(district):
    schools = [uuid4() for _ in range(4)]
    await note(district, *schools)
    await district.advance(DAY)

    async def append() -> None:
        for _ in range(10):
            await note(district, *schools, count=3)

    await asyncio.gather(append(), append(), seal_all(sealing(district)))
    await district.advance(DAY)
    await seal_all(sealing(district))
    checked = await proving.verify_database(district.database)
    assert (checked.holds, checked.unsealed, checked.entries) == (True, 0, 4 + 2 * 10 * 12)


async def test_without_a_key_nothing_is_sealed_and_that_is_said(district, caplog, capsys):
    await note(district, district.school_id)
    await district.advance(3 * DAY)
    assert await seal_all(sealing(district, seed=None)) == 0
    assert await sealed_days(district) == []
    assert metrics.LEDGER_DAYS_UNSEALED._value.get() == 3
    said = caplog.text + capsys.readouterr().out
    assert "ledger_roots_unsigned" in said
    checked = await proving.verify_database(district.database)
    assert (checked.holds, checked.last_root, checked.unsealed) == (True, None, 1)
    # The key comes later: nothing was lost.
    assert await seal_all(sealing(district)) == 3


async def test_another_key_goes_on_where_the_old_one_ended(district):
    await note(district, district.school_id)
    await district.advance(DAY)
    await seal_all(sealing(district, 1))
    await district.advance(DAY)
    await seal_all(sealing(district, 2))
    both = [a_signer(1).public, a_signer(2).public]
    assert (await proving.verify_database(district.database, known=Known(keys=both))).holds
    only_new = await proving.verify_database(district.database, known=Known(keys=both[1:]))
    assert [fault.code for fault in only_new.faults] == [Break.KEY]


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        ("UPDATE ledger_school_days SET root = sha256('')", Break.DAY_ROOT),
        ("UPDATE ledger_school_days SET last_seq = last_seq + 1", Break.DAY),
        ("DELETE FROM ledger_school_days WHERE day = '2026-10-24'", Break.ROOT),
        ("UPDATE ledger_roots SET signature = sha256('') || sha256('')", Break.SIGNATURE),
        ("DELETE FROM ledger_school_days; DELETE FROM ledger_roots WHERE day = '2026-10-23'", Break.ROOT_CHAIN),
    ],
)
async def test_changed_days_and_roots_in_the_database_are_found(
    district, service_database: ServiceDatabases, attack, code
):
    await note(district, district.school_id, count=2)
    await district.advance(2 * DAY)
    await seal_all(sealing(district))
    async with service_database.as_superuser("publisher") as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute(attack)
    faults = (await proving.verify_database(district.database)).faults
    assert code in {fault.code for fault in faults}


async def test_a_ledger_and_its_head_rewritten_in_the_database_do_not_fit_the_signed_root(
    district, service_database: ServiceDatabases
):
    await note(district, district.school_id, count=3)
    await district.advance(DAY)
    await seal_all(sealing(district))
    async with service_database.as_superuser("publisher") as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("DELETE FROM ledger WHERE seq = 3")
        await conn.execute(
            "UPDATE ledger_heads h SET seq = 2, hash = (SELECT hash FROM ledger l WHERE l.school_id = h.school_id "
            "AND l.seq = 2)"
        )
    assert Break.DAY in {fault.code for fault in (await proving.verify_database(district.database)).faults}


# Publishing


@pytest.fixture
async def public(district) -> AsyncIterator[httpx.AsyncClient]:
    service = Service(
        settings=Settings(database_url="unused", kafka_bootstrap="unused"),
        database=district.database,
        title="publisher",
        routers=[make_router(district.database, district.clock), make_ledger_router(district.database)],
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service.app()), base_url="http://publisher") as client:
        yield client


async def test_roots_and_keys_are_public_and_anybody_can_check_them(district, public):
    await note(district, district.school_id, uuid4())
    await district.advance(3 * DAY)
    await seal_all(sealing(district))
    keys = (await public.get("/.well-known/sutki-ledger-keys.json")).json()["keys"]
    assert [one["kid"] for one in keys] == [a_signer().public.key_id]
    assert keys[0]["crv"] == "Ed25519"
    answer = await public.get("/v1/ledger/roots", params={"limit": 2})
    assert "public" in answer.headers["cache-control"]
    page = answer.json()
    rest = (await public.get("/v1/ledger/roots", params={"after": page["next_after"]})).json()
    told = [*page["items"], *rest["items"]]
    assert [one["day"] for one in told] == ["2026-10-23", "2026-10-24", "2026-10-25"]
    key = Ed25519PublicKey.from_public_bytes(a_signer().public.raw)
    for before, one in zip([None, *told], told, strict=False):
        key.verify(bytes.fromhex(one["signature"]), b"sutki ledger root\n" + one["statement"].encode())
        assert json.loads(one["statement"])["previous"] == (before["digest"] if before else "0" * 64)
    day = (await public.get("/v1/ledger/roots/2026-10-23")).json()
    assert [(one["first_seq"], one["last_seq"]) for one in day["schools"]] == [(1, 1), (1, 1)]
    missing = await public.get("/v1/ledger/roots/2026-10-30")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_day")


async def test_what_is_public_names_no_student_and_no_recipient(district, public):
    await note(district, district.school_id)
    await district.advance(DAY)
    await seal_all(sealing(district))
    people = {one[name] for one in await district.ledger() for name in ("student_id", "recipient_id")}
    for path in ("/v1/ledger/roots", "/v1/ledger/roots/2026-10-23", "/.well-known/sutki-ledger-keys.json"):
        text = (await public.get(path)).text
        assert not any(person in text for person in people), path


async def test_the_exports_of_the_district_and_of_one_school_hold_under_the_signed_roots(
    district, public, tmp_path: Path
):
    other = uuid4()
    await note(district, district.school_id, count=3)
    await district.advance(DAY)
    await note(district, district.school_id, other, uuid4(), count=2)
    await district.advance(2 * DAY)
    await seal_all(sealing(district))
    await note(district, other)
    known = Known(keys=[a_signer().public])
    whole, single = tmp_path / "whole.jsonl", tmp_path / "school.jsonl"
    assert await proving.export_file(district.database, whole) == len(whole.read_bytes().splitlines())
    checked = await proving.verify_file(whole, known)
    assert (checked.faults, checked.entries, checked.schools, checked.unsealed) == ([], 10, 3, 1)
    async with district.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=other, label="test")
    answer = await public.get(f"/v1/schools/{other}/ledger", headers={"Authorization": f"Bearer {token}"})
    single.write_bytes(answer.content)
    alone = await proving.verify_file(single, known)
    assert (alone.faults, alone.entries, alone.schools, alone.unsealed) == ([], 3, 1, 1)
    assert str(district.school_id) not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [line.replace(b'"size":2', b'"size":3') for line in lines],
        lambda lines: [line.replace(b'"index":0', b'"index":1') for line in lines],
    ],
)
async def test_a_school_s_day_that_is_not_under_the_district_s_root_is_found(
    district, tmp_path: Path, change: Callable[[list[bytes]], list[bytes]]
):
    await note(district, UUID(int=1), UUID(int=2))
    await district.advance(DAY)
    await seal_all(sealing(district))
    path = tmp_path / "school.jsonl"
    await proving.export_file(district.database, path, UUID(int=1))
    lines = path.read_bytes().splitlines(keepends=True)
    assert change(lines) != lines
    path.write_bytes(b"".join(change(lines)))
    assert Break.ROOT in {fault.code for fault in (await proving.verify_file(path)).faults}


# Explaining


async def a_told_result(district: District) -> tuple[Family, UUID]:
    """Seen by the mother, who withdraws; overdue for the father, then printed and handed over."""
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(25 * HOUR)
    await district.deadlines.notice_overdue()
    request = (await district.asked_for_paper())[0]
    await district.tell(family.printed(request, at=district.now, number="2026/000007"))
    await district.tell(family.handed_over(request, at=district.now + SECOND))
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=district.now))
    return family, result


async def test_a_result_is_explained_with_the_way_to_a_signed_root(district, tmp_path: Path):
    family, result = await a_told_result(district)
    await district.advance(2 * DAY)
    await seal_all(sealing(district))
    found = await explain(district.database, result)
    assert found is not None
    told = {(one["kind"], one["recipient_id"]): one for one in found.entries}
    assert told["available", str(family.mother)]["consent_revision"] == 1
    assert {kind for kind, person in told if person == str(family.father)} == {"overdue", "available", "handed_over"}
    assert [(one["recipient_id"], one["consent_revision"]) for one in found.closings] == [(str(family.mother), 2)]
    assert all(one["sealed_on"] for one in found.entries)
    assert {(one.recipient_id, one.state) for one in found.obligations if one.recipient_id != family.student} == {
        (family.mother, "available"),
        (family.father, "available"),
    }
    path = tmp_path / "proof.jsonl"
    path.write_bytes(b"".join(found.proof.lines()))
    checked = await proving.verify_file(path, Known(keys=[a_signer().public]))
    assert (checked.faults, checked.entries, checked.unsealed) == ([], len(found.entries), 0)
    proofs = [number for number, line in enumerate(found.proof.lines()) if b'"proof"' in line]
    for forged, code in (
        (replace(found.proof.entries[0].entry, hash=bytes(32)), Break.CONTENT),
        (found.proof.entries[1].entry, Break.PROOF),
    ):
        entries = [replace(found.proof.entries[0], entry=forged), *found.proof.entries[1:]]
        path.write_bytes(b"".join(replace(found.proof, entries=entries).lines()))
        faults = (await proving.verify_file(path)).faults
        assert (faults[0].code, faults[0].line) == (code, proofs[0] + 1)


async def test_entries_of_today_are_explained_before_they_are_sealed(district):
    _, result = await a_told_result(district)
    found = await explain(district.database, result)
    assert found is not None
    assert {one["sealed_on"] for one in found.entries} == {None}


async def test_of_an_unknown_result_nothing_is_explained(district):
    assert await explain(district.database, uuid4()) is None


async def test_what_the_clock_moved_to_paper_is_in_the_ledger_with_the_reason(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(20 * HOUR + SECOND)
    assert await district.deadlines.fall_back() == 1
    (moved,) = await district.ledger("moved")
    assert (moved["recipient_id"], moved["reason"]) == (str(family.mother), "not_acknowledged")
    assert await district.deadlines.fall_back() == 0
    assert len(await district.ledger("moved")) == 1
    assert (await proving.verify_database(district.database)).holds


# The command line


def test_everything_that_the_ledger_tells_has_words_in_both_languages():
    assert set(_KINDS) == {kind.value for kind in EntryKind}


def run(group: str, *arguments: str, **variables: str) -> Any:
    # Without the common callback, which would set up this process's logging for a command line.
    commands = {"ledger": ledger_app, "keys": keys_app}[group]
    return CliRunner().invoke(commands, arguments, env={"COLUMNS": "250", "SUTKI_LANG": "en", **variables})


@pytest.fixture
async def at_the_desk(service_database: ServiceDatabases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTKI_PUBLISHER_DATABASE_URL", (await service_database.urls("publisher")).app)
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    for terminal in (console.out, console.err):
        monkeypatch.setattr(terminal, "width", 400)


@pytest.mark.usefixtures("at_the_desk")
async def test_the_commands_export_verify_and_explain(district, tmp_path: Path):
    family, result = await a_told_result(district)
    await district.advance(2 * DAY)
    await seal_all(sealing(district))
    path, proof = tmp_path / "ledger.jsonl", tmp_path / "proof.jsonl"
    exported = await asyncio.to_thread(run, "ledger", "export", str(path))
    assert (exported.exit_code, exported.output.split()) == (0, ["lines:", str(len(path.read_bytes().splitlines()))])
    key = a_signer().public.raw.hex()
    whole = await asyncio.to_thread(run, "ledger", "verify", str(path), "--key", key)
    assert whole.exit_code == 0, whole.output
    keep = whole.output.splitlines()[-1].split()
    assert keep[0] == "--root"
    assert (await asyncio.to_thread(run, "ledger", "verify", *keep)).exit_code == 0
    explained = await asyncio.to_thread(run, "ledger", "explain", str(result), "--proof", str(proof))
    assert explained.exit_code == 0, explained.output
    for said in (str(family.mother), "on the screen", "revision 1", "extract 2026/000007", "handed over", "late by us"):
        assert said in explained.output
    assert (await asyncio.to_thread(run, "ledger", "verify", str(proof), "--key", key)).exit_code == 0
    as_json = await asyncio.to_thread(run, "ledger", "explain", str(result), "--json")
    assert json.loads(as_json.output)["result_id"] == str(result)
    unknown = await asyncio.to_thread(run, "ledger", "explain", str(uuid4()))
    assert unknown.exit_code == 2


@pytest.mark.usefixtures("at_the_desk")
async def test_a_broken_file_ends_with_2_and_the_line_in_words_of_both_languages(district, tmp_path: Path):
    await note(district, district.school_id, count=4)
    path = tmp_path / "ledger.jsonl"
    await proving.export_file(district.database, path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    english = await asyncio.to_thread(run, "ledger", "verify", str(path))
    assert english.exit_code == 2
    assert english.stderr.startswith(f"line 3, school {district.school_id}, entry 3: entry 2 was expected here")
    russian = await asyncio.to_thread(run, "ledger", "verify", str(path), SUTKI_LANG="ru")
    assert (russian.exit_code, russian.stderr.startswith("строка 3, школа")) == (2, True)


def test_a_key_is_made_once_readable_by_its_owner_and_signs(tmp_path: Path):
    path = tmp_path / "ledger.pem"
    made = run("keys", "ledger", str(path))
    assert made.exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signer(path).public.raw.hex() in made.output
    before = path.read_bytes()
    assert run("keys", "ledger", str(path)).exit_code == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\n", None])
def test_a_file_that_is_no_key_is_refused_by_name(tmp_path: Path, content):
    path = tmp_path / "ledger.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"ledger\.pem"):
        load_signer(path)
