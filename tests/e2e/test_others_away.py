"""What is owed while others are away, slow, unwilling or an hour off: nothing lost, nothing twice, nothing shown."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from uuid import UUID

import httpx
import pytest

from chassis import auth
from chassis.database import DISTRICT
from sutki import environment
from sutki.stack.mail_store import Rule
from tests.support import folders
from tests.support.system import System
from tests.support.waiting import eventually

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
USUALLY_SECONDS, AT_MOST_SECONDS = 5, 30
"""On a shared machine under load; on two idle cores all are closed within a second."""


@pytest.fixture(scope="module")
async def system(kafka_broker: object) -> AsyncIterator[System]:
    folder = folders.make("away")
    try:
        async with System.running(folder, students=90, settings={"SUTKI_PUBLISHER_RETRY_BASE_SECONDS": "1"}) as running:
            yield running
    finally:
        folders.remove(folder)


async def test_a_withdrawal_under_load_closes_every_channel(system: System):
    """Measured from the answer of the registry to the moment from which neither screen nor mail is open."""
    pairs = consenting_pairs(system, 10)
    loading = asyncio.create_task(system.send(system.grades(1500), batch=100))
    seconds: list[float] = []
    async with consent_api(system) as client:
        for number, (representative, student) in enumerate(pairs):
            await eventually(partial(is_shown, system, representative), what="something is shown")
            consent_id = await consent_of(system, representative, student)
            body = {"document": "paper", "document_number": f"load-{number}"}
            answer = await client.post(f"/v1/consents/{consent_id}/withdraw", json=body)
            assert answer.status_code == 200, answer.text
            began = time.monotonic()
            await eventually(
                partial(is_closed, system, representative), within=AT_MOST_SECONDS, what="every channel closed"
            )
            seconds.append(time.monotonic() - began)
            system.truth.consenting.discard((representative, student))
            system.truth.on_paper.add((representative, student))
    await loading
    log.warning("closed after %.3f to %.3f s, %d withdrawals", min(seconds), max(seconds), len(seconds))
    assert median(seconds) < USUALLY_SECONDS
    closed = len(await system.stack.mail.messages(limit=99_999))
    await system.send(system.grades(200))
    await system.drained()
    addresses = {
        row.email_address for row in system.district.consents if (row.representative_id, row.student_id) in set(pairs)
    }
    later = (await system.stack.mail.messages(limit=99_999))[closed:]
    assert later
    assert not addresses & {to for mail in later for to in mail["to"]}


async def test_mails_of_an_hour_without_a_mail_server_are_sent_once_when_it_is_back(system: System):
    await system.drained()
    before = await system.stack.mail.count()
    await system.stack.mail.stop()
    representative, student = system.a_consenting_pair()
    await system.send(system.grades(2, student=student))
    await eventually(lambda: waits(system, representative), what="a mail waits")
    await system.let_pass(timedelta(hours=1))
    # A jump makes every view of consents old until the next heartbeat.
    await eventually(lambda: is_shown(system, representative), what="the screen, which needs no mail")
    await system.stack.mail.start()
    await system.drained()
    assert await system.stack.mail.count() > before
    assert await system.mails_sent_twice() == []


@pytest.mark.parametrize(
    "rules",
    [
        [Rule(stage="data", code=250, delay_seconds=1.5, times=5)],
        [Rule(stage="recipient", code=450, text="4.2.0 greylisted", times=3)],
        [Rule(stage="data", code=451, times=2), Rule(stage="recipient", code=421, text="4.7.0 too many", times=2)],
    ],
    ids=["slow", "greylisting", "refusing some"],
)
async def test_a_mail_server_that_is_slow_or_refuses_for_a_while_gets_each_mail_once(system: System, rules: list[Rule]):
    await system.drained()
    before = await system.stack.mail.count()
    await system.stack.mail.behave(rules)
    try:
        await system.send(system.grades(60))
        await system.drained()
    finally:
        await system.stack.mail.behave([])
    assert await system.stack.mail.count() > before
    assert await system.mails_sent_twice() == []


@pytest.mark.skipif(FAKETIME is None, reason="needs faketime (Debian package) to set a process's clock wrong")
@pytest.mark.parametrize("off", ["+1h", "-1h"])
async def test_a_host_whose_clock_is_an_hour_off_shows_and_sends_as_any_other(system: System, off: str):
    """The services' time is the database's: a wrong host makes nothing late, early, or visible."""
    await system.drained()
    representative, student = system.a_consenting_pair()
    wrong: dict[str, str | None] = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": off,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    names = ("publisher", "cabinet", "consent")
    for name in names:
        await system.stack.service(name).restart(**wrong)
    try:
        before = await system.shown_to(representative)
        await system.send(system.grades(1, student=student))
        # Held, with more than half an hour left: a clock that is an hour ahead would show it.
        left = timedelta(hours=23, minutes=30)
        held = await system.send(system.grades(1, student=student, obtained_ago=left, held=True))
        await eventually(lambda: shown_more(system, representative, len(before) + 1), what="the new grade is shown")
        await eventually(lambda: all_open_are_held(system, representative), what="only what is held is owed")
        assert len(await system.shown_to(representative)) == len(before) + 1
        assert {one["late"] for one in await system.obligations_of(representative)} <= {"no", None}
    finally:
        for name in names:
            await system.stack.service(name).restart()
    async with system.api() as client:
        url = f"/v1/schools/{system.schools['school-1']}/final-grades/release?source={system.truth.manifest['source']}"
        assert (await client.post(url, json={"result_ids": held.result_ids})).json()["released"] == 1
    await system.drained()


def consenting_pairs(system: System, count: int) -> list[tuple[str, str]]:
    """Representatives of one child each who are told by mail and screen."""
    represented: dict[str, int] = {}
    for some in system.truth.representatives.values():
        for one in some:
            represented[one] = represented.get(one, 0) + 1
    mailed = {(row.representative_id, row.student_id) for row in system.district.consents if row.email == "given"}
    graded = {grade.student_id for grade in system.district.final_grades if grade.period_id.startswith("school-1")}
    keep = system.a_consenting_pair()
    pairs = sorted(
        (one, student)
        for one, student in (system.truth.consenting & mailed) - system.truth.on_paper
        if student in graded and represented[one] == 1 and (one, student) != keep
    )
    assert len(pairs) >= count
    return pairs[:count]


def consent_api(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=system.stack.address("consent"),
        headers={"Authorization": f"Bearer {os.environ['TEST_CONSENT_TOKEN']}"},
        timeout=20,
        trust_env=False,
    )


@pytest.fixture(autouse=True)
async def consent_token(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
        monkeypatch.setenv("TEST_CONSENT_TOKEN", await auth.create_client(conn, school_id=None, label="test"))


async def consent_of(system: System, representative: str, student: str) -> UUID:
    query = "SELECT consent_id FROM consents WHERE representative_id = $1 AND student_id = $2"
    async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
        found: UUID = await conn.fetchval(query, system.ids[representative], system.ids[student])
        return found


async def is_shown(system: System, reader: str) -> bool:
    return bool(await system.shown_to(reader))


async def shown_more(system: System, reader: str, count: int) -> bool:
    return len(await system.shown_to(reader)) >= count


_OPEN = """
SELECT (SELECT count(*) FROM consents WHERE representative_id = $1 AND cabinet = 'given')
     + (SELECT count(*) FROM obligations WHERE recipient_id = $1 AND state = 'open' AND route = 'screen')
     + (SELECT count(*) FROM notifications WHERE recipient_id = $1 AND state IN ('queued', 'retry', 'claimed'))
"""


async def is_closed(system: System, reader: str) -> bool:
    if await system.shown_to(reader):
        return False
    async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
        return int(await conn.fetchval(_OPEN, system.ids[reader])) == 0


async def waits(system: System, reader: str) -> bool:
    query = "SELECT count(*) FROM notifications WHERE recipient_id = $1 AND state IN ('queued', 'retry')"
    async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
        return int(await conn.fetchval(query, system.ids[reader])) > 0


async def all_open_are_held(system: System, reader: str) -> bool:
    query = (
        "SELECT held FROM obligations o JOIN results r USING (result_id) WHERE recipient_id = $1 AND o.state = 'open'"
    )
    async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
        return [row["held"] for row in await conn.fetch(query, system.ids[reader])] == [True]
