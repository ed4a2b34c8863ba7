"""Kills between claim, send and settle: nothing is sent twice, nothing is lost, what nobody can know is listed.

Fifty kills by default; `make kills` does a thousand (`SUTKI_TEST_KILLS`).
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from chassis.crash import CRASHED
from chassis.database import DISTRICT, Database
from services.publisher import proving
from services.publisher.mail.listing import resolve_undecided
from sutki.stack.mail import MailSink
from sutki.stack.processes import Process
from tests.support import folders
from tests.support.databases import Templates, Urls
from tests.support.mail_desk import queue_mails, sender_process
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(7200)

KILLS = int(os.environ.get("SUTKI_TEST_KILLS", "50"))
AT_ONCE = 2
MAILS_PER_KILL = 8
BATCH = 3
POINTS = (
    "publisher.after_claim_before_send",
    "publisher.after_smtp_accepted",
    "publisher.after_settlement_before_commit",
    None,
)
"""Where a process dies; None is SIGKILL at any instant."""


@dataclass
class Desk:
    """A publisher's database with mails to send, and processes that send them and die."""

    urls: Urls
    database: Database
    sink: MailSink
    folder: Path
    chance: random.Random
    died: Counter[str] = field(default_factory=Counter)

    def sender(self, number: int) -> Process:
        """A process that sends, not started."""
        return sender_process(
            f"sender-{number}",
            self.urls.app,
            self.sink,
            self.folder,
            SUTKI_PUBLISHER_SMTP_CLAIM_BATCH=str(BATCH),
            SUTKI_PUBLISHER_SMTP_CONNECTIONS="1",
            SUTKI_PUBLISHER_CLAIM_TIMEOUT_SECONDS="4",
        )

    async def states(self) -> Counter[str]:
        """How many mails are in which state."""
        async with self.database.transaction(DISTRICT) as conn:
            rows = await conn.fetch("SELECT state, count(*) AS mails FROM notifications GROUP BY state")
        return Counter({row["state"]: row["mails"] for row in rows})

    async def state_of(self) -> dict[UUID, str]:
        """The state of each."""
        async with self.database.transaction(DISTRICT) as conn:
            rows = await conn.fetch("SELECT notification_id, state FROM notifications")
        return {row["notification_id"]: row["state"] for row in rows}

    async def arrived(self) -> Counter[UUID]:
        """How often the mail server accepted each."""
        mails = await self.sink.messages(limit=1_000_000)
        return Counter(UUID(mail["message_id"].strip("<>").split("@")[0]) for mail in mails)

    async def noted(self) -> Counter[UUID]:
        """How often the ledger says of each that it was sent."""
        query = """
        SELECT (entry::jsonb ->> 'notification_id')::uuid AS notification_id FROM ledger
        WHERE entry::jsonb ->> 'kind' = 'emailed'
        """
        async with self.database.transaction(DISTRICT) as conn:
            return Counter(row["notification_id"] for row in await conn.fetch(query))

    async def kill_one_after_another(self, number: int, kills: int) -> None:
        """Starts a process, lets it die between two effects, and starts the next."""
        for _ in range(kills):
            point = self.chance.choice(POINTS)
            process = self.sender(number)
            process.start(**({"SUTKI_CRASH_AT": point} if point else {}))
            if point is None:
                await process.wait_ready()
                # Any instant of its work: the wait is the experiment, nothing is expected to have happened by then.
                await asyncio.sleep(self.chance.uniform(0, 0.3))
                process.kill()
            else:
                assert await process.wait(60) == CRASHED, process.log_tail()
            self.died[point or "SIGKILL"] += 1


@pytest.fixture
async def desk(templates: Templates, mail_sink: MailSink) -> AsyncIterator[Desk]:
    urls, folder = await templates.clone("publisher"), folders.make("claims")
    database = await Database.connect(urls.app, application_name="test")
    try:
        yield Desk(urls, database, mail_sink, folder, random.Random(24))
    finally:
        await database.close()
        await templates.drop(urls)
        folders.remove(folder)


async def test_whatever_dies_between_claim_send_and_settle_no_mail_is_sent_twice_or_lost(desk: Desk):
    await queue_mails(desk.database, KILLS * MAILS_PER_KILL)
    assert await desk.states() == {"queued": KILLS * MAILS_PER_KILL}
    await asyncio.gather(*(desk.kill_one_after_another(one, KILLS // AT_ONCE) for one in range(AT_ONCE)))
    assert sum(desk.died.values()) == KILLS // AT_ONCE * AT_ONCE
    assert len(desk.died) == len(POINTS) or 4 * len(POINTS) > KILLS
    last = desk.sender(AT_ONCE)
    last.start()
    try:
        await eventually(partial(no_mail_is_under_way, desk), within=60 + KILLS, what="every mail is settled or listed")
        await nothing_twice_nothing_lost(desk)
        await resolve_by_the_servers_log(desk)
        await eventually(partial(all_are_sent, desk), within=60, what="what was listed is resolved")
    finally:
        await last.terminate()
    arrived = await desk.arrived()
    assert set(arrived.values()) == {1}
    assert len(arrived) == KILLS * MAILS_PER_KILL
    assert (await proving.verify_database(desk.database)).holds


async def no_mail_is_under_way(desk: Desk) -> bool:
    return not set(await desk.states()) & {"queued", "claimed", "retry"}


async def all_are_sent(desk: Desk) -> bool:
    return set(await desk.states()) == {"sent"}


async def nothing_twice_nothing_lost(desk: Desk) -> None:
    states, arrived, noted = await desk.state_of(), await desk.arrived(), await desk.noted()
    assert set(states.values()) <= {"sent", "undecided"}
    assert max(arrived.values()) == 1, "a mail was sent twice"
    assert set(arrived) <= set(states)
    sent = {one for one, state in states.items() if state == "sent"}
    assert sent <= set(arrived), "called sent and never arrived"
    assert noted == Counter(sent), "the ledger says of each mail once that it was sent"
    undecided = set(states) - sent
    assert undecided, "no kill hit between claim and settle"
    assert undecided & set(arrived), "no kill hit between send and settle"
    assert undecided - set(arrived), "no kill hit between claim and send"


async def resolve_by_the_servers_log(desk: Desk) -> None:
    """What an operator does with the list: the mail server's log says by the Message-ID which it took."""
    arrived = await desk.arrived()
    for notification_id, state in (await desk.state_of()).items():
        if state == "undecided":
            assert await resolve_undecided(desk.database, notification_id, resend=notification_id not in arrived)
