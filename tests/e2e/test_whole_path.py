"""The way of a result to the family, on real processes, PostgreSQL, Apache Kafka and mail."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from sutki.commands.operating import REPLAYS, replay
from sutki.commands.taking import take_consents, take_files
from tests.support import folders
from tests.support.system import System
from tests.support.taken import everything_taken
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

READ_MODELS = {
    "cabinet": ("schools", "persons", "consents", "marks", "results", "acknowledgements", "acknowledged_versions"),
    "publisher": ("students", "representations", "accounts", "consents", "results", "obligations", "ledger"),
    "extracts": ("schools", "persons", "result_versions", "extracts", "hand_over_register"),
}


@pytest.fixture(scope="module")
async def system(kafka_broker: object) -> AsyncIterator[System]:
    folder = folders.make("e2e")
    try:
        settings = {
            "SUTKI_CABINET_CONSENT_STALE_AFTER_SECONDS": "6",
            "SUTKI_PUBLISHER_CONSENT_STALE_AFTER_SECONDS": "6",
        }
        async with System.running(folder, students=90, settings=settings, withdrawals=False) as running:
            yield running
    finally:
        folders.remove(folder)


async def test_every_mark_and_result_of_the_sample_reaches_everybody_by_the_route_of_their_consent(system: System):
    source = system.truth.manifest["source"]
    for step in ("marks", "finals", "exams"):
        for file in system.files(step):
            report = await take_files(system.folder / "district" / file, source=source)
            assert report.exit_code == 0
    held = [grade.result_id for grade in system.district.final_grades if grade.held]
    async with system.api() as client:
        url = f"/v1/schools/{system.schools['school-1']}/final-grades/release?source={source}"
        assert (await client.post(url, json={"result_ids": held})).json()["released"] == len(held)
    await system.register_withdrawals()
    await system.drained()
    addresses = {address for mail in await system.stack.mail.messages(limit=9999) for address in mail["to"]}
    assert addresses
    assert addresses <= system.truth.mail_addresses
    representative, student = system.a_consenting_pair()
    expected = sum(row.student_id == student for row in system.district.final_grades) + sum(
        row.student_id == student for row in system.district.exam_results
    )
    assert len(await system.shown_to(representative)) >= expected


async def test_importing_the_same_files_again_changes_nothing(system: System):
    before = await snapshot(system, "gradebook", ("marks", "final_grades", "exam_results", "persons", "study_groups"))
    for step in ("base", "marks", "finals", "exams"):
        for file in system.files(step):
            report = await take_files(system.folder / "district" / file, source=system.truth.manifest["source"])
            assert all(count.added == count.rejected == 0 for count in report.counts.values()), report.counts
            # A grade that the head released is not held again by the file that once said so.
            assert all(count.changed == 0 for count in report.counts.values()), report.counts
    after = await snapshot(system, "gradebook", ("marks", "final_grades", "exam_results", "persons", "study_groups"))
    assert after == before


async def test_events_delivered_again_in_another_order_change_nothing(system: System):
    await system.drained()
    before = {service: await snapshot(system, service, tables) for service, tables in READ_MODELS.items()}
    mails = await system.stack.mail.count()
    order = [*REPLAYS, *REPLAYS]
    random.Random(5).shuffle(order)
    sent = [await replay(service) for service in order]
    assert sum(sent) > 1000
    await system.drained()
    await everything_taken(system.stack.broker.bootstrap)
    after = {service: await snapshot(system, service, tables) for service, tables in READ_MODELS.items()}
    assert after == before
    assert await system.stack.mail.count() == mails


async def test_a_withdrawal_while_mails_are_queued_stops_them(system: System):
    representative, student = system.a_consenting_pair()
    publisher = system.stack.service("publisher")
    await publisher.terminate()
    publisher.start(SUTKI_PUBLISHER_NOTIFY_GROUPING_SECONDS="3600")
    await publisher.wait_ready()
    await system.send(system.grades(2, student=student))
    query = "SELECT count(*) FROM notifications WHERE state = $2 AND recipient_id = $1"
    queued = await wait_for_count(system, "publisher", query, system.ids[representative], "queued")
    assert queued == 1
    mails = await system.stack.mail.count()
    await withdraw(system, representative, student)
    assert await wait_for_count(system, "publisher", query, system.ids[representative], "cancelled") >= 1

    async def closed() -> bool:
        return await system.shown_to(representative) == set()

    # The cabinet hears of it by itself, and may do so a moment after the publisher.
    await eventually(closed, within=10, what="the screen is closed")
    await publisher.restart(SUTKI_PUBLISHER_NOTIFY_GROUPING_SECONDS="0")
    await system.drained()
    new = (await system.stack.mail.messages(limit=9999))[mails:]
    address = next(row.email_address for row in system.district.consents if row.representative_id == representative)
    assert address not in [to for mail in new for to in mail["to"]]
    await system.send(system.grades(1, student=student))
    await system.drained()
    newest = max(await system.obligations_of(representative), key=lambda one: one["due_at"])
    assert newest["route"] == "paper", "what comes after the withdrawal goes on paper"


async def test_a_stale_view_of_consents_closes_the_screen_and_a_fresh_one_opens_it(system: System):
    representative, _ = system.a_consenting_pair()
    assert await system.shown_to(representative)
    consent = system.stack.service("consent")
    consent.freeze()
    try:
        await eventually(lambda: is_shown(system, representative, nothing=True), within=30)
    finally:
        consent.thaw()
    await eventually(lambda: is_shown(system, representative, nothing=False), within=30)


async def test_a_publisher_that_stands_through_a_deadline_makes_nothing_late_for_those_who_consented(system: System):
    representative, student = system.a_consenting_pair()
    publisher = system.stack.service("publisher")
    await publisher.terminate()
    before = await system.shown_to(representative)
    seconds_left = 8
    almost_a_day = timedelta(hours=24) - timedelta(seconds=seconds_left)
    await system.send(system.grades(1, student=student, obtained_ago=almost_a_day, held=True))
    await eventually(lambda: in_cabinet(system), within=seconds_left - 1)
    assert await system.shown_to(representative) == before, "held, and its time has not come"
    await eventually(lambda: differs(system, representative, before), within=30)
    publisher.start()
    await publisher.wait_ready()
    await system.drained()
    late = [one for one in await system.obligations_of(representative) if one["late"] != "no"]
    assert late == []
    newest = max(await system.obligations_of(representative), key=lambda one: one["due_at"])
    oldest = min(await system.obligations_of(representative), key=lambda one: one["due_at"])
    assert oldest["available_at"] == oldest["due_at"], "available at the very instant, whoever noticed when"
    assert newest["route"] == "screen"


async def is_shown(system: System, reader: str, *, nothing: bool) -> bool:
    return bool(await system.shown_to(reader)) is not nothing


async def differs(system: System, reader: str, before: set[Any]) -> bool:
    return await system.shown_to(reader) != before


async def in_cabinet(system: System) -> bool:
    return not any(problem.startswith("cabinet lacks") for problem in await system.unsettled())


async def withdraw(system: System, representative: str, student: str) -> None:
    path = system.folder / f"withdraw-{representative}.csv"
    path.write_text(
        f"representative_id,student_id,purposes,document_number\n{representative},{student},,w-1\n", encoding="utf-8"
    )
    report = await take_consents(path, withdrawals=True)
    assert report.registered == 1, report.rejections
    system.truth.consenting.discard((representative, student))
    system.truth.on_paper.add((representative, student))


async def wait_for_count(system: System, service: str, query: str, *arguments: Any) -> int:
    async def count() -> int:
        conn = await asyncpg.connect(system.stack.postgres.superuser_url(f"sutki_{service}"))
        try:
            return int(await conn.fetchval(query, *arguments))
        finally:
            await conn.close()

    async def some() -> bool:
        return await count() > 0

    await eventually(some, within=30, what=f"a row of {service}")
    return await count()


async def snapshot(system: System, service: str, tables: tuple[str, ...]) -> dict[str, list[Any]]:
    """What the tables hold, row by row, as the database's superuser sees it."""
    conn = await asyncpg.connect(system.stack.postgres.superuser_url(f"sutki_{service}"))
    try:
        return {
            table: [row["row"] for row in await conn.fetch(f"SELECT t::text AS row FROM {table} AS t ORDER BY 1")]
            for table in tables
        }
    finally:
        await conn.close()
