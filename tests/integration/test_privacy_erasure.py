"""Erasure through all five services: terms, channels that close at once, confirmations, the act, and what is left."""

import asyncio
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import orjson
import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from chassis.auth import create_client
from chassis.database import DISTRICT, Connection, school
from chassis.http import make_app
from chassis.migrations import migrate
from chassis.service import Service
from contracts.base import SchoolId
from contracts.erasure_requested import ErasureRequested
from contracts.values import Decision
from services.cabinet.queries import erasing as cabinet_erasing
from services.consent import erasing, erasure_api
from services.consent.erasing import CannotErase
from services.consent.erasure_terms import Demand, Terms
from services.consent.settings import Settings
from sutki import console
from sutki.commands import privacy
from sutki.commands.privacy import privacy_app
from tests.integration.whole_district import (
    ADDRESS,
    CHILD_NAMES,
    DAY,
    FILES,
    MOTHER_NAMES,
    SERVICES,
    WholeDistrict,
    everybody,
)
from tests.support.databases import SERVICES_FOLDER, ServiceDatabases, Templates

TERMS = Terms()


@pytest.fixture
async def district(service_database: ServiceDatabases, tmp_path: Path) -> WholeDistrict:
    whole = WholeDistrict(service_database, tmp_path)
    await whole.start()
    await whole.settle_in()
    return whole


async def test_a_withdrawal_starts_the_term_and_nothing_is_erased_before_its_end(district: WholeDistrict) -> None:
    await district.withdraws()
    await district.deliver()

    (one,) = await district.erasures("scheduled")
    assert (one["person_id"], one["student_id"]) == (district.mother, district.child)
    assert set(one["parts"]) == {"account", "email", "push"}
    assert one["ground"] == "consent_withdrawn"
    assert one["due_at"] == district.clock.at + 30 * DAY
    district.clock.advance(29 * DAY - timedelta(seconds=1))
    assert await erasing.carry_out_due(district.open["consent"], district.clock) == 0
    district.clock.advance(timedelta(seconds=1))
    assert await erasing.carry_out_due(district.open["consent"], district.clock) == 1
    assert await erasing.carry_out_due(district.open["consent"], district.clock) == 0
    await district.deliver()
    (done,) = await district.erasures("erased")
    assert done["erased_at"] <= done["due_at"]


async def test_the_channels_close_at_once_and_not_at_the_end_of_the_term(district: WholeDistrict) -> None:
    await district.withdraws()
    await district.deliver()

    (told,) = await district.rows(
        "publisher", "SELECT cabinet, email_decision, email FROM consents WHERE representative_id = $1", district.mother
    )
    assert tuple(told) == ("withdrawn", "withdrawn", None)
    (shown,) = await district.rows(
        "cabinet", "SELECT count(*) FROM grounds_at($1) WHERE reader_id = $2", district.clock.at, district.mother
    )
    assert shown["count"] == 0
    waiting = await district.rows(
        "publisher",
        "SELECT state FROM notifications WHERE recipient_id = $1 AND state IN ('queued', 'retry')",
        district.mother,
    )
    assert waiting == []


async def test_every_service_confirms_and_afterwards_the_address_stands_nowhere(district: WholeDistrict) -> None:
    before = await district.where_it_still_stands(ADDRESS, "push.example/zarechnova")
    assert set(before[ADDRESS]) >= {"consent.consents", "consent.outbox", "publisher.consents"}
    assert before["push.example/zarechnova"] == ["publisher.push_subscriptions"]
    await district.withdraws()
    await district.deliver()
    (one,) = await district.erasures("scheduled")
    async with district.consent() as conn:
        await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    await district.deliver()

    assert await district.confirmed(one["erasure_id"]) == everybody()
    assert (await district.erasures("erased"))[0]["erasure_id"] == one["erasure_id"]
    assert await district.where_it_still_stands(ADDRESS, "push.example/zarechnova", "zarechnova") == {}
    for table in ("push_subscriptions", "preferences", "suppressions"):
        assert await district.rows("publisher", f"SELECT 1 FROM {table}") == []
    accounts = await district.rows("cabinet", "SELECT active, login, password_hash FROM accounts")
    assert [tuple(row) for row in accounts] == [(False, None, None)] * 2
    assert await district.rows("publisher", "SELECT 1 FROM accounts WHERE active") == []


async def test_a_service_that_has_not_heard_of_the_withdrawal_yet_erases_all_the_same(district: WholeDistrict) -> None:
    await district.withdraws()
    (one,) = await district.erasures("scheduled")
    async with district.consent() as conn:
        await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    requests = await district.rows("consent", "SELECT * FROM outbox WHERE type = $1", ErasureRequested.TOPIC)
    assert [orjson.loads(row["payload"])["consent_revision"] for row in requests] == [2]
    # The topics are not ordered: the request comes first.
    await district.hand(*map(dict, requests))

    (known,) = await district.rows("publisher", "SELECT cabinet, revision, email, language FROM consents")
    assert tuple(known) == ("given", 1, None, "ru")
    for table in ("push_subscriptions", "preferences", "suppressions"):
        assert await district.rows("publisher", f"SELECT 1 FROM {table}") == []
    accounts = await district.rows("cabinet", "SELECT active, login FROM accounts")
    assert [tuple(row) for row in accounts] == [(False, None)] * 2
    await district.deliver()
    assert await district.confirmed(one["erasure_id"]) == everybody()
    assert await district.where_it_still_stands(ADDRESS, "zarechnova") == {}


async def test_a_request_told_again_names_the_same_revision_and_spares_a_consent_given_since(
    district: WholeDistrict,
) -> None:
    await district.withdraws()
    await district.deliver()
    (one,) = await district.erasures("scheduled")
    async with district.consent() as conn:
        await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    await district.deliver(without=["cabinet", "publisher"])
    district.clock.advance(DAY)
    await district.consents("С-5")
    await erasing.replay(district.open["consent"])
    requests = await district.rows("consent", "SELECT payload FROM outbox WHERE type = $1", ErasureRequested.TOPIC)
    assert [orjson.loads(row["payload"])["consent_revision"] for row in requests] == [2, 2]

    await district.deliver()
    assert await district.confirmed(one["erasure_id"]) == everybody()
    accounts = await district.rows("cabinet", "SELECT active FROM accounts")
    assert [row["active"] for row in accounts] == [True, True]
    (known,) = await district.rows("publisher", "SELECT revision, email FROM consents")
    assert tuple(known) == (3, ADDRESS)


async def test_what_did_not_end_is_not_erased_by_a_service_that_is_behind(district: WholeDistrict) -> None:
    await district.consents("С-6", cabinet=Decision.GIVEN, email=Decision.REFUSED)
    (one,) = await district.erasures("scheduled")
    assert one["parts"] == ["email"]
    async with district.consent() as conn:
        await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    requests = await district.rows("consent", "SELECT * FROM outbox WHERE type = $1", ErasureRequested.TOPIC)
    await district.hand(*map(dict, requests))

    assert await district.rows("publisher", "SELECT 1 FROM consents WHERE email IS NOT NULL") == []
    for table in ("push_subscriptions", "preferences"):
        assert len(await district.rows("publisher", f"SELECT 1 FROM {table}")) == 1


async def test_what_another_consent_covers_stays(district: WholeDistrict) -> None:
    # The same mother has a second child at another school, and consents there too.
    (other,) = await district.rows(
        "consent",
        "SELECT student_id FROM representations WHERE representative_id = $1 AND student_id <> $2",
        district.mother,
        district.child,
    )
    first, district.child = district.child, other["student_id"]
    await district.consents("С-9")
    district.child = first
    await district.withdraws()
    await district.deliver()
    (one,) = await district.erasures("scheduled")
    async with district.consent() as conn:
        await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    await district.deliver()

    assert await district.confirmed(one["erasure_id"]) == everybody()
    assert len(await district.rows("publisher", "SELECT 1 FROM push_subscriptions")) == 1
    (account,) = await district.rows("cabinet", "SELECT active FROM accounts WHERE person_id = $1", district.mother)
    assert account["active"]
    (kept,) = await district.rows(
        "consent",
        "SELECT kept FROM erasure_confirmations WHERE service = 'cabinet' AND erasure_id = $1",
        one["erasure_id"],
    )
    assert '"consent_in_force"' in kept["kept"]


async def test_a_new_consent_before_the_end_stops_the_erasure_and_the_log_says_why(district: WholeDistrict) -> None:
    await district.withdraws()
    district.clock.advance(DAY)
    await district.consents("С-2")
    await district.deliver()

    (one,) = await district.erasures("cancelled")
    log = await district.rows(
        "consent",
        "SELECT happened, details FROM erasure_log WHERE erasure_id = $1 ORDER BY entry_id",
        one["erasure_id"],
    )
    assert [row["happened"] for row in log] == ["scheduled", "cancelled"]
    assert orjson.loads(log[-1]["details"])["because"] == "consent_given_anew"
    district.clock.advance(40 * DAY)
    assert await erasing.carry_out_due(district.open["consent"], district.clock) == 0


async def test_consent_to_the_cabinet_alone_leaves_the_erasure_of_the_rest(district: WholeDistrict) -> None:
    await district.withdraws()
    district.clock.advance(DAY)
    await district.consents("С-2", cabinet=Decision.GIVEN)

    (one,) = await district.erasures("scheduled")
    assert set(one["parts"]) == {"email", "push"}


async def test_the_same_request_again_changes_nothing_and_says_nothing(district: WholeDistrict) -> None:
    await district.withdraws()
    await district.deliver()
    (one,) = await district.erasures("scheduled")
    async with district.consent() as conn:
        await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    await district.deliver()
    district.clock.advance(DAY)
    await district.consents("С-3")
    await district.deliver()
    async with district.consent() as conn:
        _, began = await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    assert not began
    requests = await district.rows("consent", "SELECT * FROM outbox WHERE type = $1", ErasureRequested.TOPIC)
    # As a broker gives it after a reset: under another id the inbox does not know it.
    await district.hand(*({**dict(row), "event_id": uuid4()} for row in requests))

    assert await district.deliver() == []
    (address,) = await district.rows("publisher", "SELECT email FROM consents WHERE email IS NOT NULL")
    assert address["email"] == ADDRESS


async def test_a_service_that_is_silent_is_waited_for_and_named(district: WholeDistrict) -> None:
    await district.withdraws()
    await district.deliver()
    (one,) = await district.erasures("scheduled")
    async with district.consent() as conn:
        await erasing.carry_out(conn, one["erasure_id"], clock=district.clock)
    await district.deliver(without=["cabinet"])

    assert await district.confirmed(one["erasure_id"]) == everybody() - {"cabinet"}
    assert await district.erasures("erased") == []
    assert await district.acts() == 0
    assert await erasing.replay(district.open["consent"]) == 1
    await district.deliver()
    assert await district.confirmed(one["erasure_id"]) == everybody()
    assert await erasing.replay(district.open["consent"]) == 0, "what all confirmed is not asked for again"


async def test_a_whole_person_is_erased_everywhere_and_the_journal_stays_under_the_id(district: WholeDistrict) -> None:
    names = (*MOTHER_NAMES, *CHILD_NAMES)
    before = await district.where_it_still_stands(*names)
    assert {place.split(".", 1)[0] for places in before.values() for place in places} >= {
        "gradebook", "cabinet", "extracts", "consent",
    }  # fmt: skip
    for person in (district.mother, district.child):
        erasure_id = uuid4()
        async with district.consent() as conn:
            await erasing.schedule(
                conn,
                erasure_id=erasure_id,
                person_id=person,
                demand=Demand.UNLAWFUL_PROCESSING,
                terms=TERMS,
                clock=district.clock,
            )
            await erasing.carry_out(conn, erasure_id, clock=district.clock)
        told = await district.deliver()
        assert await district.confirmed(erasure_id) == everybody()
        assert "gradebook.person-changed.v1" in told

    assert await district.where_it_still_stands(*names, ADDRESS) == {}
    assert len(await district.rows("gradebook", "SELECT 1 FROM marks WHERE student_id = $1", district.child)) == 1
    tombstones = await district.rows(
        "gradebook",
        "SELECT aggregateid FROM outbox WHERE type = 'gradebook.person-changed.v1' AND payload IS NULL ORDER BY id",
    )
    assert [row["aggregateid"] for row in tombstones] == [str(district.mother), str(district.child)]
    for person in (district.mother, district.child):
        for service, query in (
            ("cabinet", "SELECT 1 FROM persons WHERE person_id = $1"),
            ("extracts", "SELECT 1 FROM persons WHERE person_id = $1"),
            ("consent", "SELECT 1 FROM students WHERE student_id = $1"),
        ):
            assert await district.rows(service, query, person) == []


async def test_a_person_may_come_back_after_an_erasure(district: WholeDistrict) -> None:
    erasure_id = uuid4()
    async with district.consent() as conn:
        await erasing.schedule(
            conn,
            erasure_id=erasure_id,
            person_id=district.mother,
            demand=Demand.PURPOSE_REACHED,
            terms=TERMS,
            clock=district.clock,
        )
        await erasing.carry_out(conn, erasure_id, clock=district.clock)
    await district.deliver()
    district.clock.advance(DAY)
    await district.import_journal(people=FILES["people"], representatives=FILES["representatives"])
    await district.consents("С-7")
    await district.deliver()

    (person,) = await district.rows(
        "gradebook", "SELECT revision, erased_at FROM persons WHERE person_id = $1", district.mother
    )
    assert (person["revision"] > 2, person["erased_at"]) == (True, None)
    assert len(await district.rows("extracts", "SELECT 1 FROM persons WHERE person_id = $1", district.mother)) == 1
    (consent,) = await district.rows(
        "publisher", "SELECT cabinet, email FROM consents WHERE representative_id = $1", district.mother
    )
    assert tuple(consent) == ("given", ADDRESS)


async def test_the_act_and_the_event_log_are_made_once_and_name_what_the_law_asks_for(district: WholeDistrict) -> None:
    await district.withdraws()
    await district.deliver()
    district.clock.advance(30 * DAY)
    await erasing.carry_out_due(district.open["consent"], district.clock)
    await district.deliver()

    assert await district.acts() == 1
    assert await district.acts() == 0
    (act,) = await district.rows("consent", "SELECT * FROM destruction_acts")
    (one,) = await district.erasures("erased")
    reader = PdfReader(BytesIO(act["pdf"]))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    for part in (
        "Акт об уничтожении персональных данных № 1",
        "Школа № 1",
        "ул. Образцовая 1",
        str(district.mother),
        "отзыв согласия",
        "учётная запись личного кабинета",
        "подписки браузеров",
        "Способ",
        "удаление записей из баз данных",
        "Что остаётся и на каком основании",
        "электронный журнал хранится",
        "должность",
        "подпись",
        "Выгрузка из журнала регистрации событий",
        "получено подтверждение",
    ):
        assert part in text, part
    assert not [name for name in (*MOTHER_NAMES, *CHILD_NAMES) if name in text]
    lines = [orjson.loads(line) for line in act["log_extract"].splitlines()]
    assert lines[0]["person_id"] == str(district.mother)
    assert [line["happened"] for line in lines if line["line"] == "event"].count("confirmed") == len(everybody())
    assert act["log_sha256"].hex() in text.replace(" ", "")
    assert act["keep_until"] == act["made_at"] + timedelta(days=1096)
    assert one["state"] == "erased"


async def _demanded(district: WholeDistrict, conn: Connection, erasure_id: UUID, person_id: UUID) -> None:
    await erasing.schedule(
        conn,
        erasure_id=erasure_id,
        person_id=person_id,
        demand=Demand.UNLAWFULLY_OBTAINED,
        terms=TERMS,
        clock=district.clock,
    )


async def test_an_act_is_saved_for_its_owner_alone_or_it_is_said_where_it_could_not_be(
    district: WholeDistrict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await district.withdraws()
    await district.deliver()
    district.clock.advance(30 * DAY)
    await erasing.carry_out_due(district.open["consent"], district.clock)
    await district.deliver()
    assert await district.acts() == 1
    (act,) = await district.rows("consent", "SELECT * FROM destruction_acts")
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    for service in SERVICES:
        url = (await district.databases.urls(service)).app
        monkeypatch.setenv(f"SUTKI_{service.upper()}_DATABASE_URL", url)
    for terminal in (console.out, console.err):
        monkeypatch.setattr(terminal, "width", 400)

    async def privacy(*arguments: str) -> tuple[int, str]:
        told = await asyncio.to_thread(CliRunner().invoke, privacy_app, arguments)
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return told.exit_code, told.output

    one, saved, log = str(act["erasure_id"]), tmp_path / "act.pdf", tmp_path / "act.jsonl"
    saved.write_bytes(b"old")
    saved.chmod(0o644)
    assert (await privacy("act", one, str(log)))[0] == 1
    assert not log.exists()
    assert (await privacy("act", one, str(saved)))[0] == 0
    assert (saved.read_bytes(), log.read_bytes()) == (act["pdf"], act["log_extract"])
    assert [path.stat().st_mode & 0o777 for path in (saved, log)] == [0o600, 0o600]

    nowhere = tmp_path / "nowhere" / "act.pdf"
    code, said = await privacy("act", one, str(nowhere))
    assert (code, str(nowhere) in said, "No such file" in said) == (1, True, True)
    code, said = await privacy("export", str(district.child), str(saved / "copy"))
    assert (code, str(saved / "copy") in said, "Not a directory" in said) == (1, True, True)


async def test_what_was_carried_out_cannot_be_stopped_and_what_was_stopped_not_carried_out(
    district: WholeDistrict,
) -> None:
    stopped, erasure_id = uuid4(), uuid4()
    async with district.consent() as conn:
        await _demanded(district, conn, stopped, district.mother)
        await erasing.cancel(conn, stopped, "demand_taken_back", clock=district.clock)
    async with district.consent() as conn:
        with pytest.raises(CannotErase, match="cancelled"):
            await erasing.carry_out(conn, stopped, clock=district.clock)
    async with district.consent() as conn:
        await _demanded(district, conn, erasure_id, district.mother)
        await erasing.carry_out(conn, erasure_id, clock=district.clock)
        with pytest.raises(CannotErase, match="too_late"):
            await erasing.cancel(conn, erasure_id, "demand_taken_back", clock=district.clock)


async def test_confirmations_and_the_log_cannot_be_changed_by_the_service(district: WholeDistrict) -> None:
    await district.withdraws()
    for statement in (
        "UPDATE erasure_log SET happened = 'erased'",
        "DELETE FROM erasure_log",
        "UPDATE erasure_confirmations SET service = 'x'",
        "UPDATE destruction_acts SET pdf = ''",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with district.consent() as conn:
                await conn.execute(statement)


async def test_an_account_without_any_consent_is_what_goes(district: WholeDistrict) -> None:
    pair = (district.mother, district.child)
    async with district.open["cabinet"].transaction(DISTRICT) as conn:
        assert await cabinet_erasing.without_consent(conn, [district.mother, district.child], pair, None) == []
    await district.withdraws()
    await district.deliver()
    async with district.open["cabinet"].transaction(DISTRICT) as conn:
        left = await cabinet_erasing.without_consent(conn, [district.mother, district.child], pair, None)
    assert set(left) == {district.mother, district.child}


async def test_what_follows_a_withdrawal_is_not_stopped_by_the_school_but_by_a_new_consent(
    district: WholeDistrict,
) -> None:
    await district.withdraws()
    (one,) = await district.erasures("scheduled")
    database = district.open["consent"]
    async with district.consent() as conn:
        token = await create_client(conn, school_id=SchoolId(one["school_id"]), label="school")
    router = erasure_api.make_router(database, district.clock, TERMS, timedelta(hours=1))
    settings = Settings(database_url="unused", kafka_bootstrap="127.0.0.1:1")
    app = make_app(Service(settings, database, "consent", routers=[router]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://consent") as http:
        answer = await http.post(
            f"/v1/erasures/{one['erasure_id']}/cancel", headers={"Authorization": f"Bearer {token}"}
        )

    assert (answer.status_code, answer.json()["code"]) == (409, "follows_decision")
    assert "новое согласие" in answer.json()["title"]
    assert "новое согласие" in privacy._REFUSALS["follows_decision"][0]
    assert [row["erasure_id"] for row in await district.erasures("scheduled")] == [one["erasure_id"]]
    await district.consents("С-2")
    assert len(await district.erasures("cancelled")) == 1


async def test_erasing_a_child_erases_the_contact_of_a_parent_whose_only_consent_was_for_it(
    district: WholeDistrict,
) -> None:
    erasure_id = uuid4()
    async with district.consent() as conn:
        await _demanded(district, conn, erasure_id, district.child)
        await erasing.carry_out(conn, erasure_id, clock=district.clock)
    await district.deliver()

    (one,) = await district.erasures("scheduled")
    assert (one["person_id"], one["student_id"], one["ground"]) == (district.mother, district.child, "person_erased")
    assert set(one["parts"]) == {"account", "email", "push"}
    assert await erasing.carry_out_due(district.open["consent"], district.clock) == 1
    await district.deliver()
    assert await district.where_it_still_stands(ADDRESS, "push.example/zarechnova", "zarechnova") == {}


async def test_a_new_consent_at_another_school_stops_what_the_former_school_had_scheduled(
    district: WholeDistrict,
) -> None:
    await district.withdraws()
    (one,) = await district.erasures("scheduled")
    other = uuid4()
    async with district.consent() as conn:
        for table in ("students", "representations", "consents"):
            await conn.execute(f"UPDATE {table} SET school_id = $1 WHERE student_id = $2", other, district.child)
    district.clock.advance(DAY)
    async with district.open["consent"].transaction(school(other)) as conn:
        await district.registers_consent(conn, "С-2")
        assert await conn.fetchval("SELECT current_setting('sutki.scope')") == "school"
        assert await conn.fetchval("SELECT count(*) FROM erasures") == 0

    assert [row["erasure_id"] for row in await district.erasures("cancelled")] == [one["erasure_id"]]


_BEFORE_ERASURES = """
SELECT set_config('sutki.scope', 'district', false);
INSERT INTO students VALUES ('00000000-0000-4000-8000-000000000001', gen_random_uuid(), NULL, 7);
INSERT INTO consents
SELECT of, gen_random_uuid(), '00000000-0000-4000-8000-000000000001', gen_random_uuid(), 3, now, now, now, false,
    'paper', CASE WHEN now = 'given' THEN 'a@example.org' END, 'ru', at, at, at
FROM (VALUES
    ('00000000-0000-4000-8000-00000000000a'::uuid, 'withdrawn', '2026-10-03T09:00:00Z'::timestamptz),
    ('00000000-0000-4000-8000-00000000000b', 'given', '2026-10-03T09:00:00Z')
) AS c (of, now, at);
INSERT INTO consent_decisions
SELECT c.consent_id, d.revision, 'representative', d.withdrawal, NULL, d.cabinet, d.email, d.email, false, 'paper',
    NULL, NULL, d.at, d.at, d.at, NULL
FROM consents AS c
JOIN (VALUES
    ('withdrawn', 1, false, 'given', 'given', '2026-10-01T09:00:00Z'::timestamptz),
    ('withdrawn', 2, false, 'given', 'refused', '2026-10-02T09:00:00Z'),
    ('withdrawn', 3, true, 'withdrawn', 'withdrawn', '2026-10-03T09:00:00Z'),
    ('given', 1, false, 'given', 'given', '2026-10-01T09:00:00Z'),
    ('given', 2, true, 'withdrawn', 'withdrawn', '2026-10-02T09:00:00Z'),
    ('given', 3, false, 'given', 'given', '2026-10-03T09:00:00Z')
) AS d (now, revision, withdrawal, cabinet, email, at) ON d.now = c.cabinet;
"""


async def test_an_upgrade_schedules_what_was_taken_back_before_it_and_asks_for_names_again(
    templates: Templates, tmp_path: Path
) -> None:
    server, name, folder = templates.postgres, f"upgrade_{uuid4().hex}", SERVICES_FOLDER / "consent" / "migrations"
    (tmp_path / "0001_consent.sql").write_bytes((folder / "0001_consent.sql").read_bytes())
    await server.prepare(["consent"])
    above = await asyncpg.connect(server.superuser_url())
    await above.execute(f"CREATE DATABASE {name} OWNER sutki_consent_owner")
    try:
        owner = server.owner_url("consent", database=name)
        await migrate(owner, "consent", tmp_path)
        conn = await asyncpg.connect(owner)
        await conn.execute(_BEFORE_ERASURES)
        await migrate(owner, "consent", folder)
        revisions = await conn.fetch("SELECT revision FROM students")
        made = await conn.fetch("SELECT * FROM erasures ORDER BY scheduled_at")
        noted = await conn.fetch("SELECT erasure_id FROM erasure_log WHERE happened = 'scheduled' ORDER BY entry_id")
        await conn.close()
    finally:
        await above.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await above.close()

    assert [row["revision"] for row in revisions] == [0]
    assert [(row["parts"], row["ground"], row["scheduled_at"].day) for row in made] == [
        (["email", "push"], "consent_refused", 2),
        (["account"], "consent_withdrawn", 3),
    ]
    assert {row["due_at"] - row["scheduled_at"] for row in made} == {30 * DAY}
    assert {row["erasure_id"] for row in noted} == {row["erasure_id"] for row in made}
