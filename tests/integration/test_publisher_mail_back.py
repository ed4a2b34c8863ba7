"""What comes back: mails that could not be delivered, and the wish to get none."""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from chassis.auth import create_client
from chassis.database import DISTRICT, Database
from chassis.service import Service
from contracts.values import Decision
from services.publisher import metrics
from services.publisher.mail.api import make_mail_router
from services.publisher.mail.bouncing import Patience, Taken, Way
from services.publisher.mail.intake import Intake, MailboxWatch
from services.publisher.mail.mailbox import Imap, Maildir
from services.publisher.mail.public import Limiter, make_unsubscribe_router
from services.publisher.mail.smtp import Server
from services.publisher.mail.unsubscribe import Tokens
from services.publisher.queries import mail
from services.publisher.settings import Settings
from tests.integration.publisher_district import District, Family
from tests.integration.publisher_mail import (
    ADDRESS,
    MINUTE,
    Sink,
    a_sender,
    mail_states,
    send_all,
    serving,
    shown,
)
from tests.support.bounces import DOMAIN, a_report
from tests.support.databases import ServiceDatabases
from tests.support.imap_server import ImapServer
from tests.support.letters import KEY

TOKENS = Tokens((KEY,))
DAY = timedelta(days=1)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def server(sink: Sink) -> Iterator[Server]:
    with serving(sink) as server:
        yield server


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


def an_intake(district: District, **patience: Any) -> Intake:
    return Intake(district.database, district.clock, (DOMAIN,), Patience(**patience), TOKENS)


def the_api(district: District, limiter: Limiter | None = None) -> Service:
    return Service(
        settings=Settings(database_url="unused", kafka_bootstrap="unused"),
        database=district.database,
        title="publisher",
        routers=[
            make_mail_router(an_intake(district)),
            make_unsubscribe_router(
                district.database, district.clock, TOKENS, "https://diary.example.org", limiter=limiter
            ),
        ],
    )


def anybody(district: District, limiter: Limiter | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(the_api(district, limiter).app())
    return httpx.AsyncClient(transport=transport, base_url="http://publisher")


async def a_client(district: District, school_id: UUID | None = None) -> httpx.AsyncClient:
    async with district.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=school_id, label="test")
    client = anybody(district)
    client.headers["Authorization"] = f"Bearer {token}"
    return client


async def a_sent_mail(district: District, server: Server, family: Family) -> UUID:
    """The id of a mail that was accepted just now."""
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    (row,) = await district.query(
        "SELECT notification_id FROM notifications WHERE state = 'sent' ORDER BY settled_at DESC LIMIT 1"
    )
    return UUID(str(row["notification_id"]))


async def suppressed(district: District) -> list[tuple[str, str]]:
    rows = await district.query("SELECT reason, status FROM suppressions WHERE lifted_at IS NULL")
    return [(row["reason"], row["status"]) for row in rows]


# Bounces


async def test_a_mail_to_an_address_that_does_not_exist_has_failed_and_is_the_last_one(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    assert await an_intake(district).take(a_report(number, recipient=ADDRESS), "mailbox") == "suppressed"
    assert await mail_states(district) == [("failed", "bounced_5.1.1")]
    assert await suppressed(district) == [("address", "5.1.1")]
    (entry,) = await district.ledger("bounced")
    assert entry["notification_id"] == str(number)
    assert ADDRESS not in str(entry)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert len(sink.mails) == 1


async def test_mails_that_wait_for_a_dead_address_fail_at_once_so_that_they_go_another_way(district, server):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    await shown(district, family, uuid4())
    await an_intake(district).take(a_report(number), "mailbox")
    rows = await district.query("SELECT state, reason, fallen_at FROM notifications ORDER BY queued_at DESC LIMIT 1")
    assert (rows[0]["state"], rows[0]["reason"], rows[0]["fallen_at"]) == ("failed", "address_suppressed", None)


async def test_the_same_report_twice_counts_once(district, server):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    intake, report = an_intake(district), a_report(number, "4.2.2", diagnostic="")
    assert [await intake.take(report, "mailbox") for _ in range(3)] == ["noted", "repeated", "repeated"]
    assert len(await district.query("SELECT 1 FROM bounces")) == 1


async def test_passing_troubles_end_mails_only_when_there_are_many_within_the_set_days(district, server):
    family = await district.known_family(email=ADDRESS)
    intake = an_intake(district, soft_bounces=3, within=5 * DAY)
    taken = []
    for wait in (0, 6, 1, 1):
        await district.advance(wait * DAY)
        number = await a_sent_mail(district, server, family)
        taken.append(await intake.take(a_report(number, "4.2.2", diagnostic=""), "mailbox"))
    assert taken == ["noted", "noted", "noted", "suppressed"]
    assert await suppressed(district) == [("soft", "4.2.2")]


async def test_refusals_by_policy_are_not_held_against_the_address_at_once(district, server):
    family = await district.known_family(email=ADDRESS)
    intake = an_intake(district, policy_bounces=2)
    number = await a_sent_mail(district, server, family)
    assert await intake.take(a_report(number, "5.7.1"), "mailbox") == "noted"
    assert await suppressed(district) == []
    number = await a_sent_mail(district, server, family)
    assert await intake.take(a_report(number, "5.7.1"), "mailbox") == "suppressed"


async def test_a_report_about_a_mail_that_never_was_changes_nothing(district, server):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    intake = an_intake(district)
    (row,) = await district.query("SELECT notification_id FROM notifications")
    assert await intake.take(a_report(uuid4(), recipient=ADDRESS), "mailbox") == "unknown"
    assert await intake.take(a_report(row["notification_id"], recipient=ADDRESS), "mailbox") == "unknown"
    assert await suppressed(district) == []
    assert await mail_states(district) == [("queued", None)]


async def test_a_report_about_a_mail_whose_address_is_forgotten_is_held_against_nobody(district, server):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    async with district.database.transaction(DISTRICT) as conn:
        await mail.forget_before(conn, district.now + DAY, 100)
    assert await an_intake(district).take(a_report(number, recipient="victim@example.org"), "mailbox") == "unknown"
    assert await mail_states(district) == [("sent", None)]
    assert await suppressed(district) == []
    assert await district.query("SELECT 1 FROM bounces") == []


async def test_a_report_names_no_address_for_a_mail_of_which_nobody_knows_whether_it_was_sent(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    sink.drop_after_data = True
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    (row,) = await district.query("SELECT notification_id FROM notifications WHERE state = 'undecided'")
    intake, report = an_intake(district), a_report(row["notification_id"], recipient="victim@example.org")
    assert [await intake.take(report, "mailbox") for _ in range(2)] == ["noted", "repeated"]
    assert await mail_states(district) == [("failed", "bounced_5.1.1")]
    assert await suppressed(district) == []


async def test_a_late_bounce_is_not_held_against_the_new_address(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    await district.tell(family.consent(family.mother, 2, email="new@example.org", at=district.now))
    await an_intake(district).take(a_report(number, recipient="new@example.org"), "mailbox")
    await a_sent_mail(district, server, family)
    assert sink.recipients == [ADDRESS, "new@example.org"]


async def test_an_operator_lets_mails_go_to_an_address_again(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    await an_intake(district).take(a_report(number), "mailbox")
    async with district.database.transaction(DISTRICT) as conn:
        (listed,) = await mail.suppressed(conn)
        assert (listed.recipient_id, listed.student_id) == (family.mother, family.student)
        assert await mail.lift(conn, listed.address_sha256, district.now, by="secretary", why="the mailbox is back")
        assert not await mail.lift(conn, listed.address_sha256, district.now, by="secretary", why="again")
    await a_sent_mail(district, server, family)
    assert sink.recipients == [ADDRESS, ADDRESS]


async def test_addresses_are_nowhere_in_the_clear(district, server):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    await an_intake(district).take(a_report(number, recipient=ADDRESS), "mailbox")
    for table in ("suppressions", "bounces", "mail_deliveries", "mail_providers", "notifications", "notification_log"):
        rows = await district.query(f"SELECT t::text AS row FROM {table} t")
        assert rows
        assert not any("example" in row["row"] for row in rows)


async def test_what_is_old_is_forgotten_and_what_is_in_force_is_kept(district, server):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    await an_intake(district).take(a_report(number), "mailbox")
    async with district.database.transaction(DISTRICT) as conn:
        await mail.forget_before(conn, district.now + DAY, 100)
    assert await district.query("SELECT 1 FROM bounces UNION ALL SELECT 1 FROM mail_deliveries") == []
    assert await suppressed(district) == [("address", "5.1.1")]
    await district.query("UPDATE consents SET email = NULL RETURNING 1")
    async with district.database.transaction(DISTRICT) as conn:
        await mail.forget_before(conn, district.now + DAY, 100)
    assert await suppressed(district) == []


# The mailbox


def a_maildir(folder: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


async def test_a_maildir_is_emptied_of_bounces_and_keeps_what_is_none(district, server, tmp_path: Path):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    folder = a_maildir(tmp_path / "bounces")
    (folder / "new" / "1.a").write_bytes(a_report(number))
    (folder / "new" / "2.b").write_bytes(b"Subject: Thank you\r\n\r\nGood marks!")
    (folder / "new" / "3.c").write_bytes(a_report(uuid4()))
    (folder / "new" / "4.link").symlink_to("/etc/hostname")
    watch = MailboxWatch(Maildir(folder), an_intake(district))
    assert await watch.take_new() == 3
    assert await suppressed(district) == [("address", "5.1.1")]
    assert [one.name for one in (folder / "new").iterdir()] == ["4.link"]
    assert sorted(one.name for one in (folder / "cur").iterdir()) == ["2.b:2,S", "3.c:2,S"]
    assert await watch.take_new() == 0


class Stumbles(Intake):
    """Over a message that reads `stumble`, as over a fault that nobody has thought of."""

    async def take(self, raw: bytes, way: Way, envelope_to: str | None = None) -> Taken:
        if raw == b"stumble":
            raise LookupError("unknown encoding: foo")
        return await super().take(raw, way, envelope_to)


async def test_a_message_that_breaks_its_reader_is_kept_and_those_behind_it_are_taken(district, server, tmp_path: Path):
    family = await district.known_family(email=ADDRESS)
    folder = a_maildir(tmp_path / "bounces")
    (folder / "new" / "1.a").write_bytes(b"stumble")
    (folder / "new" / "2.b").write_bytes(a_report(await a_sent_mail(district, server, family)))
    counted = metrics.BOUNCES.labels("other")
    before = counted._value.get()
    watch = MailboxWatch(Maildir(folder), Stumbles(district.database, district.clock, (DOMAIN,)))
    assert await watch.take_new() == 2
    assert await suppressed(district) == [("address", "5.1.1")]
    assert [one.name for one in (folder / "cur").iterdir()] == ["1.a:2,S"]
    assert counted._value.get() - before == 1


async def test_while_the_database_is_away_every_message_stays_where_it_is(
    district, server, tmp_path: Path, service_database
):
    family = await district.known_family(email=ADDRESS)
    folder = a_maildir(tmp_path / "bounces")
    (folder / "new" / "1.a").write_bytes(a_report(await a_sent_mail(district, server, family)))
    urls = await service_database.urls("publisher")
    lost = await Database.connect(urls.app, application_name="test.lost")
    await lost.close()
    watch = MailboxWatch(Maildir(folder), Intake(lost, district.clock, (DOMAIN,)))
    with pytest.raises(asyncpg.InterfaceError):
        await watch.take_new()
    assert [one.name for one in (folder / "new").iterdir()] == ["1.a"]


async def test_an_imap_mailbox_is_emptied_of_bounces_and_keeps_what_is_none(district, server):
    family = await district.known_family(email=ADDRESS)
    number = await a_sent_mail(district, server, family)
    with ImapServer([a_report(number), b"Subject: Thank you\r\n\r\nGood marks!", b"x" * 3_000_000]) as imap:
        watch = MailboxWatch(Imap("127.0.0.1", imap.port, "bounces", "secret", "none"), an_intake(district))
        assert await watch.take_new() == 3
        assert await watch.take_new() == 0
        assert imap.left() == {2: {"\\Seen"}, 3: {"\\Seen"}}
        assert imap.longest_fetch < 1_100_000
    assert await suppressed(district) == [("address", "5.1.1")]


async def test_a_mailbox_that_does_not_let_us_in_is_an_ordinary_trouble(district):
    with ImapServer([]) as imap:
        watch = MailboxWatch(Imap("127.0.0.1", imap.port, "bounces", "wrong", "none"), an_intake(district))
        with pytest.raises(OSError, match="mailbox of bounces") as trouble:
            await watch.take_new()
    assert "wrong" not in str(trouble.value)


# The hook


async def test_the_hook_takes_a_message_as_it_came_or_in_json_or_the_fields_alone(district, server):
    family = await district.known_family(email=ADDRESS)
    client = await a_client(district)
    bodies: list[Callable[[UUID], dict[str, Any]]] = [
        lambda number: {"content": a_report(number), "headers": {"Content-Type": "message/rfc822"}},
        lambda number: {"json": {"message": base64.b64encode(a_report(number)).decode()}},
        lambda number: {"json": {"notification_id": str(number), "status": "5.7.1"}},
    ]
    for body in bodies:
        number = await a_sent_mail(district, server, family)
        answer = await client.post("/v1/bounces", **body(number))
        assert answer.status_code == 202, answer.text
        assert answer.json()["taken"] in ("noted", "suppressed")
        assert (await client.post("/v1/bounces", **body(number))).json() == {"taken": "repeated"}
        await district.query("UPDATE suppressions SET lifted_at = since, lifted_by = 'test' RETURNING 1")
        await district.advance(MINUTE)
    assert {state for state, _ in await mail_states(district)} == {"failed"}


async def test_the_hook_takes_nothing_from_strangers_or_schools_and_says_what_is_wrong(district):
    report = {"notification_id": str(uuid4()), "status": "5.1.1"}
    assert (await anybody(district).post("/v1/bounces", json=report)).status_code == 401
    assert (await (await a_client(district, district.school_id)).post("/v1/bounces", json=report)).status_code == 403
    client = await a_client(district)
    assert (await client.post("/v1/bounces", json=report)).json() == {"taken": "unknown"}
    for body, pointer in [
        ({"status": "5.1.1"}, "/notification_id"),
        ({"notification_id": str(uuid4())}, "/status"),
        ({"notification_id": "x", "status": "2.0.0"}, "/notification_id"),
        ({"message": "&&&"}, "/message"),
    ]:
        answer = await client.post("/v1/bounces", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
    hostile = (
        b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"Content-Type: text/plain; charset=foo\r\n\xff\xfe"
    )
    for content in (b"Hello", hostile):
        answer = await client.post("/v1/bounces", content=content, headers={"Content-Type": "message/rfc822"})
        assert (answer.status_code, answer.json()["code"]) == (422, "no_bounce")


async def test_the_cabinet_learns_that_an_address_takes_nothing(district, server):
    family = await district.known_family(email=ADDRESS)
    client = await a_client(district)
    path = f"/v1/people/{family.mother}/channels"
    (standing,) = (await client.get(path)).json()["email"]
    assert (standing["has_email"], standing["suppressed_since"]) == (True, None)
    await an_intake(district).take(a_report(await a_sent_mail(district, server, family)), "mailbox")
    (standing,) = (await client.get(path)).json()["email"]
    assert standing["suppressed_reason"] == "address"
    assert standing["suppressed_since"] is not None
    await district.tell(family.consent(family.mother, 2, email="new@example.org", at=district.now))
    (standing,) = (await client.get(path)).json()["email"]
    assert standing["suppressed_since"] is None


# One click


async def test_one_click_ends_the_mails_about_this_child_and_no_others(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    sister = district.family(mother=family.mother, given="Вера")
    await district.tell(sister.person(), sister.consent(family.mother, email=ADDRESS))
    await shown(district, family, uuid4())
    await shown(district, sister, uuid4())
    page = f"/unsubscribe/{TOKENS.make(family.mother, family.student)}"
    client = anybody(district)
    answer = await client.post(page, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "больше не придут" in answer.text
    assert sorted(await mail_states(district)) == [("cancelled", "unsubscribed"), ("queued", None)]
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert [str(one["Subject"]) for one in sink.mails] == ["Новый результат: Вера"]
    (entry,) = await district.ledger("unsubscribed")
    assert (entry["student_id"], entry["way"]) == (str(family.student), "one_click")


async def test_looking_at_the_page_changes_nothing_whoever_prefetches_it(district):
    family = await district.known_family(email=ADDRESS)
    page = f"/unsubscribe/{TOKENS.make(family.mother, family.student)}"
    client = anybody(district)
    for method in ("GET", "HEAD"):
        answer = await client.request(method, page)
        assert answer.status_code == 200
    russian, english = await client.get(page), await client.get(page, headers={"Accept-Language": "en-GB,ru"})
    assert "Да, не присылать" in russian.text
    assert "Yes, no more mails" in english.text
    assert '<form method="post">' in russian.text
    assert russian.headers["referrer-policy"] == "no-referrer"
    assert russian.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in russian.headers["content-security-policy"]
    assert await district.query("SELECT 1 FROM mail_unsubscribed") == []


async def test_clicking_again_changes_nothing_however_many_do_at_once(district):
    family = await district.known_family(email=ADDRESS)
    page = f"/unsubscribe/{TOKENS.make(family.mother, family.student)}"
    client = anybody(district)
    answers = await asyncio.gather(*(client.post(page) for _ in range(8)))
    assert {one.status_code for one in answers} == {200}
    assert len({one.text for one in answers}) == 1
    assert len(await district.query("SELECT 1 FROM mail_unsubscribed")) == 1
    assert len(await district.ledger("unsubscribed")) == 1


async def test_the_answer_does_not_tell_whether_the_people_exist(district):
    family = await district.known_family(email=ADDRESS)
    client = anybody(district)
    known = await client.post(f"/unsubscribe/{TOKENS.make(family.mother, family.student)}")
    unknown = await client.post(f"/unsubscribe/{TOKENS.make(uuid4(), uuid4())}")
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    assert len(await district.query("SELECT 1 FROM mail_unsubscribed")) == 1


@pytest.mark.parametrize("token", ["x", "A" * 66, "A" * 199])
async def test_a_token_that_we_did_not_make_is_refused(district, token):
    client = anybody(district)
    assert [(await client.get(f"/unsubscribe/{token}")).status_code for _ in range(2)] == [404, 404]
    answer = await client.post(f"/unsubscribe/{token}")
    assert answer.status_code == 404
    assert "Ссылка не подходит" in answer.text


async def test_too_many_requests_are_told_to_wait(district):
    client = anybody(district, Limiter(rate=0.001, reserve=2))
    page = f"/unsubscribe/{TOKENS.make(uuid4(), uuid4())}"
    answers = [await client.post(page) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "10"
    assert (await client.get(page)).status_code == 429


async def test_requests_without_a_true_token_use_up_nothing_that_a_real_click_needs(district):
    client = anybody(district, Limiter(rate=0.001, reserve=1))
    rubbish = [await client.request(method, "/unsubscribe/x") for method in ("GET", "POST") for _ in range(3)]
    assert {one.status_code for one in rubbish} == {404}
    assert (await client.post(f"/unsubscribe/{TOKENS.make(uuid4(), uuid4())}")).status_code == 200


async def test_mails_go_again_when_their_recipient_says_so_in_the_cabinet(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await anybody(district).post(f"/unsubscribe/{TOKENS.make(family.mother, family.student)}")
    client = await a_client(district)
    path = f"/v1/people/{family.mother}"
    (standing,) = (await client.get(f"{path}/channels")).json()["email"]
    assert standing["unsubscribed_at"] is not None
    assert (await client.delete(f"{path}/children/{family.student}/unsubscription")).status_code == 204
    await a_sent_mail(district, server, family)
    assert sink.recipients == [ADDRESS]
    assert len(await district.query("SELECT 1 FROM mail_unsubscribed WHERE ended_at IS NOT NULL")) == 1


async def test_another_decision_about_consent_does_not_bring_the_mails_back(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await anybody(district).post(f"/unsubscribe/{TOKENS.make(family.mother, family.student)}")
    await district.tell(family.consent(family.mother, 2, Decision.GIVEN, email=ADDRESS, push=True, at=district.now))
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert sink.mails == []


async def test_the_last_mail_already_on_its_way_when_they_ended_is_cancelled_not_sent(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    # As if the notification were queued by a process that had not seen the click.
    await district.query(
        "INSERT INTO mail_unsubscribed VALUES ($1, $2, now(), 'one_click', 0) RETURNING 1",
        family.mother,
        family.student,
    )
    await send_all(a_sender(district, server))
    assert sink.mails == []
    assert await mail_states(district) == [("cancelled", "unsubscribed")]


async def test_a_mail_with_the_token_as_its_subject_does_the_same(district):
    family = await district.known_family(email=ADDRESS)
    token = TOKENS.make(family.mother, family.student)
    raw = f"From: {ADDRESS}\r\nTo: unsubscribe@example.org\r\nSubject: Re: {token}\r\n\r\n".encode()
    assert await an_intake(district).take(raw, "mailbox") == "noted"
    (row,) = await district.query("SELECT way FROM mail_unsubscribed")
    assert row["way"] == "mail"


async def test_whoever_is_erased_leaves_no_wish_behind(district):
    family = await district.known_family(email=ADDRESS)
    await anybody(district).post(f"/unsubscribe/{TOKENS.make(family.mother, family.student)}")
    async with district.database.transaction(DISTRICT) as conn:
        await mail.forget_people(conn, [family.mother])
    assert await district.query("SELECT 1 FROM mail_unsubscribed") == []


def test_the_imap_server_of_these_tests_ends_with_them():
    with ImapServer([]) as imap:
        assert imap.port > 0
    assert not any(one.name == "imap-server" for one in threading.enumerate())
