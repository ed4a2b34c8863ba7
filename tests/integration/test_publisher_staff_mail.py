"""Mails of the ladder against a real SMTP server: what stands in them, and that none is sent twice."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import DISTRICT, Database
from services.publisher.domain.escalation import Ladder
from services.publisher.domain.letters import Backoff
from services.publisher.escalating import Escalations
from services.publisher.mail.compose import Letterhead, Mail
from services.publisher.mail.smtp import MailConnection, Server, Verdict
from services.publisher.queries import escalation as queries
from services.publisher.queries import staff_messages
from services.publisher.queries.escalation import Address
from services.publisher.staff_mail import StaffMail
from sutki.stack.mail import MailSink
from sutki.stack.ports import free_port
from tests.integration.publisher_district import HOUR, SECOND, START, District, Family
from tests.support.databases import ServiceDatabases

HEAD = Letterhead("diary@district.example", "Сутки", "http://cabinet", "http://cabinet")
OFFICE = "office@school.example"


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


def sender(district: District, host: str, port: int) -> StaffMail:
    return StaffMail(district.database, district.clock, Server(host, port), HEAD, Backoff(1, 1), max_attempts=2)


async def a_message(district: District, address: str = OFFICE) -> tuple[Family, UUID]:
    """The secretary has to be told of a sheet that waits for a father."""
    family, result = await district.known_family(given="Имяребёнка"), uuid4()
    async with district.database.transaction(DISTRICT) as conn:
        await queries.add_address(conn, Address(uuid4(), district.school_id, "secretary", address), START)
    await district.tell(family.grade(result), family.grade(uuid4(), held=True))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(15 * timedelta(minutes=1))
    (request,) = await district.asked_for_paper()
    await district.advance(12 * HOUR)
    await Escalations(district.database, district.clock, Ladder()).escalate()
    return family, request.request_id


async def states(district: District) -> list[tuple[str, str | None]]:
    rows = await district.query("SELECT state, reason FROM staff_messages ORDER BY message_id")
    return [(row["state"], row["reason"]) for row in rows]


async def test_a_mail_lists_ids_requests_and_deadlines_and_no_name_of_a_child(district, mail_sink: MailSink):
    family, request_id = await a_message(district)
    mails = sender(district, mail_sink.host, mail_sink.port)
    while await mails.send_due():
        pass
    assert await states(district) == [("sent", None)]
    (listed,) = await mail_sink.messages()
    assert listed["to"] == [OFFICE]
    message = await mail_sink.message(listed["id"])
    text = message["text"]
    assert f"{family.student} → {family.father}" in text
    assert str(request_id) in text
    assert "24.10.2026 14:00" in text, "the deadline by the school's clock"
    assert "held for the council, released by the clock: 3" in text
    assert family.given not in f"{text}{listed['subject']}"


async def test_what_cannot_be_delivered_now_is_tried_again_and_then_failed(district):
    await a_message(district)
    mails = sender(district, "127.0.0.1", free_port())
    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says of a closed port
        await mails.send_due()
    assert await states(district) == [("queued", None)], "nothing is claimed while no server is there"


class LosesTheDatabase(MailConnection):
    """A connection to the mail server in the moment in which the database goes away: after its 250."""

    def __init__(self, server: Server, database: Database) -> None:
        super().__init__(server)
        self._database = database

    async def send(self, mail: Mail) -> Verdict:
        verdict = await super().send(mail)
        await self._database.close()
        return verdict


async def test_a_database_that_goes_away_leaves_no_claimed_mail_undecided(
    district, mail_sink: MailSink, service_database
):
    async with district.database.transaction(DISTRICT) as conn:
        await queries.add_address(
            conn, Address(uuid4(), district.school_id, "secretary", "deputy@school.example"), START
        )
    await a_message(district)
    mails = sender(district, mail_sink.host, mail_sink.port)
    urls = await service_database.urls("publisher")
    mails.database = await Database.connect(urls.app, application_name="test.lost")
    mails._connection = LosesTheDatabase(mails.server, mails.database)
    with pytest.raises(asyncpg.InterfaceError):
        await mails.send_due()
    assert await states(district) == [("claimed", None)] * 2
    mails.database, mails._connection = district.database, None
    await mails.send_due()
    assert sorted(await states(district)) == [("retry", "not_prepared"), ("sent", None)]
    await district.advance(HOUR)
    await mails.send_due()
    assert [state for state, _ in await states(district)] == ["sent"] * 2
    assert len(await mail_sink.messages()) == 2


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd"], ids=["unknown", "no name"])
async def test_a_time_zone_that_is_not_known_here_stops_no_mail(district, mail_sink: MailSink, zone):
    await a_message(district)
    await district.query("UPDATE schools SET time_zone = $1 RETURNING 1", zone)
    await sender(district, mail_sink.host, mail_sink.port).send_due()
    assert await states(district) == [("sent", None)]
    (listed,) = await mail_sink.messages()
    assert "24.10.2026 14:00" in (await mail_sink.message(listed["id"]))["text"], "Moscow's, as everywhere else"


async def test_many_senders_send_each_mail_once(district, mail_sink: MailSink):
    await a_message(district)
    senders = [sender(district, mail_sink.host, mail_sink.port) for _ in range(5)]
    await asyncio.gather(*(one.send_due() for one in senders))
    assert len(await mail_sink.messages()) == 1
    assert await states(district) == [("sent", None)]


async def test_what_one_sender_is_about_to_claim_no_other_takes_or_waits_for(district):
    await a_message(district)
    async with district.database.transaction(DISTRICT) as one, district.database.transaction(DISTRICT) as other:
        assert len(await staff_messages.claim(one, uuid4(), district.now, 5)) == 1
        async with asyncio.timeout(10):
            assert await staff_messages.claim(other, uuid4(), district.now, 5) == []


async def test_what_a_lost_sender_had_claimed_is_listed_and_not_sent_again(district, mail_sink: MailSink):
    await a_message(district)
    async with district.database.transaction(DISTRICT) as conn:
        assert len(await staff_messages.claim(conn, uuid4(), district.now, 5)) == 1
    await district.advance(HOUR)
    mails = sender(district, mail_sink.host, mail_sink.port)
    await mails.list_abandoned()
    assert await states(district) == [("undecided", "abandoned")]
    assert await mails.send_due() == 0
    assert await mail_sink.messages() == []
