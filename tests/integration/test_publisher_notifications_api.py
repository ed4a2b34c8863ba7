"""Preferences and the delivery log: by HTTP for cabinet and desks, and on the operator's command line."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from typer.testing import CliRunner

from chassis.auth import create_client
from chassis.database import DISTRICT
from chassis.service import Service
from services.publisher.api_notifications import make_notifications_router
from services.publisher.domain.preferences import Channel, Kind, Mode
from services.publisher.domain.states import NotificationState
from services.publisher.settings import Settings
from sutki import console
from sutki.commands.notifications import notifications_app
from tests.integration.publisher_district import SECOND, Family
from tests.integration.publisher_news import Newsroom
from tests.support.databases import ServiceDatabases

MINUTE = timedelta(minutes=1)
ADDRESS = "mother@example.org"


@pytest.fixture
async def room(service_database: ServiceDatabases) -> Newsroom:
    return Newsroom(await service_database("publisher"))


async def a_client(room: Newsroom, school_id: UUID | None = None) -> httpx.AsyncClient:
    async with room.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=school_id, label="test")
    service = Service(
        settings=Settings(database_url="unused", kafka_bootstrap="unused"),
        database=room.database,
        title="publisher",
        routers=[make_notifications_router(room.database, room.clock, room.policy)],
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app()),
        base_url="http://publisher",
        headers={"Authorization": f"Bearer {token}"},
    )


@pytest.fixture
async def cabinet(room: Newsroom) -> AsyncIterator[httpx.AsyncClient]:
    async with await a_client(room) as client:
        yield client


async def a_family(room: Newsroom, *, push: bool = True) -> Family:
    family = await room.known_family(email=ADDRESS, push=push)
    if push:
        await room.subscribe(family.mother)
    await room.digested()
    return family


async def shown(room: Newsroom, family: Family) -> UUID:
    result = uuid4()
    await room.tell(family.grade(result, obtained=room.now))
    await room.tell(family.visible(result, family.mother, at=room.now + SECOND))
    await room.advance(10 * MINUTE)
    return result


def path(family: Family, person: UUID | None = None) -> str:
    return f"/v1/people/{person or family.mother}/children/{family.student}/preferences"


async def test_without_a_choice_the_defaults_are_shown_with_the_channels_that_consent_allows(room, cabinet):
    family = await a_family(room)
    answer = (await cabinet.get(path(family))).json()
    assert (answer["revision"], answer["allowed"]) == (0, ["email", "push"])
    assert answer["modes"]["mark"] == {"email": "daily", "push": "off"}
    assert (answer["digest_hour"], answer["quiet"]["starts"], answer["quiet"]["ends"]) == (19, "21:00:00", "07:00:00")
    assert "final_grade" in answer["critical"]
    assert (await cabinet.get(path(family, family.father))).json()["allowed"] == []


async def test_a_choice_is_kept_shown_and_followed(room, cabinet):
    family = await a_family(room)
    chosen = {
        "revision": 0,
        "modes": {"mark": {"email": "instant"}, "homework": {"email": "off"}},
        "quiet": {"starts": "22:00", "ends": "06:30"},
        "digest_hour": 17,
        "digest_weekday": 7,
    }
    answer = await cabinet.put(path(family), json=chosen)
    assert answer.status_code == 200, answer.text
    shown_again = (await cabinet.get(path(family))).json()
    assert shown_again == answer.json()
    assert (shown_again["revision"], shown_again["modes"]["mark"]["email"]) == (1, "instant")
    assert (shown_again["quiet"], shown_again["digest_weekday"]) == ({"starts": "22:00:00", "ends": "06:30:00"}, 7)
    await room.report(room.advice(family))
    await room.to_local(17)
    await room.digested()
    assert len(await room.sent()) == 1


async def test_a_choice_made_on_an_outdated_view_is_a_conflict(room, cabinet):
    family = await a_family(room)
    assert (await cabinet.put(path(family), json={"revision": 0})).status_code == 200
    answer = await cabinet.put(path(family), json={"revision": 0})
    assert (answer.status_code, answer.json()["code"]) == (409, "changed_meanwhile")


async def test_of_two_first_choices_at_once_one_is_a_conflict(room, cabinet):
    family = await a_family(room)
    answers = await asyncio.gather(*(cabinet.put(path(family), json={"revision": 0}) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]


async def test_who_has_nothing_to_do_with_a_student_chooses_nothing(room, cabinet):
    family = await a_family(room)
    assert (await cabinet.get(path(family, uuid4()))).status_code == 404
    assert (await cabinet.put(path(family, uuid4()), json={"revision": 0})).status_code == 404
    assert await room.query("SELECT * FROM preferences") == []


async def test_critical_news_off_everywhere_are_refused_with_pointer_and_reason(room, cabinet):
    family = await a_family(room)
    off = {"email": "off", "push": "off"}
    answer = await cabinet.put(path(family), json={"revision": 0, "modes": {"correction": off, "mark": off}})
    assert (answer.status_code, answer.json()["code"]) == (422, "preferences_refused")
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/modes/correction", "critical_off_everywhere")
    assert (await cabinet.get(path(family))).json()["revision"] == 0


async def test_the_only_channel_that_consent_allows_cannot_be_switched_off_for_critical_news(room, cabinet):
    family = await a_family(room, push=False)
    answer = await cabinet.put(path(family), json={"revision": 0, "modes": {"final_grade": {"email": "off"}}})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"modes": {"mark": {"email": "sometimes"}}},
        {"modes": {"weather": {"email": "daily"}}},
        {"modes": {"mark": {"pigeon": "daily"}}},
        {"digest_hour": 24},
        {"digest_weekday": 0},
        {"quiet": {"starts": "25:00", "ends": "07:00"}},
        {"quiet": {"starts": "21:00+03:00", "ends": "07:00"}},
        {"unknown": 1},
        {"modes": {"exam_result": {"email": "weekly"}}},
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(room, cabinet, wrong: dict[str, Any]):
    family = await a_family(room)
    assert (await cabinet.put(path(family), json={"revision": 0, **wrong})).status_code == 422
    assert await room.query("SELECT * FROM preferences") == []


async def test_a_person_sees_what_became_of_their_messages_but_not_who_decided(room, cabinet):
    family = await a_family(room, push=False)
    await shown(room, family)
    await room.settle(await room.claim(), NotificationState.UNDECIDED, "conversation_broke")
    (row,) = await room.query("SELECT notification_id FROM notifications")
    await resolved(room, row["notification_id"])
    page = (await cabinet.get(f"/v1/people/{family.mother}/notifications")).json()
    assert [(one["state"], one["actor"], one["note"]) for one in page["items"]] == [
        ("sent", None, None),
        ("undecided", None, None),
        ("claimed", None, None),
        ("queued", None, None),
    ]
    whole = (await cabinet.get(f"/v1/notifications/{row['notification_id']}/log")).json()
    assert (whole["items"][0]["actor"], whole["items"][0]["note"]) == ("Дежурный", "есть в журнале сервера")
    assert (await cabinet.get(f"/v1/people/{family.father}/notifications")).json()["items"] == []


async def resolved(room: Newsroom, notification_id: UUID) -> None:
    from services.publisher.mail.listing import resolve_undecided  # noqa: PLC0415 - used by this alone

    assert await resolve_undecided(
        room.database,
        notification_id,
        resend=False,
        by="Дежурный",
        why="есть в журнале сервера",
        clock=room.clock,
    )


async def test_the_log_is_read_page_by_page(room, cabinet):
    family = await a_family(room, push=False)
    for _ in range(3):
        await shown(room, family)
        await room.sent()
    seen: list[int] = []
    before: dict[str, int] = {}
    while True:
        page = (await cabinet.get(f"/v1/students/{family.student}/notifications", params={"limit": 4, **before})).json()
        seen += [one["entry_id"] for one in page["items"]]
        if page["next_before"] is None:
            break
        before = {"before": page["next_before"]}
    assert (len(seen), seen) == (9, sorted(seen, reverse=True))


async def test_a_schools_desk_sees_its_own_school_only_and_no_preferences(room):
    family = await a_family(room, push=False)
    await shown(room, family)
    (row,) = await room.query("SELECT notification_id FROM notifications")
    async with await a_client(room, room.school_id) as own, await a_client(room, uuid4()) as foreign:
        assert len((await own.get(f"/v1/schools/{room.school_id}/notifications")).json()["items"]) == 1
        assert (await foreign.get(f"/v1/schools/{room.school_id}/notifications")).status_code == 403
        assert (await foreign.get(f"/v1/students/{family.student}/notifications")).json()["items"] == []
        assert (await foreign.get(f"/v1/notifications/{row['notification_id']}/log")).status_code == 404
        assert (await own.get(f"/v1/people/{family.mother}/notifications")).status_code == 403
        assert (await own.get(path(family))).status_code == 403
        assert (await own.put(path(family), json={"revision": 0})).status_code == 403


async def test_without_a_token_nothing_is_told(room, cabinet):
    family = await a_family(room)
    del cabinet.headers["Authorization"]
    for place in (path(family), f"/v1/people/{family.mother}/notifications"):
        assert (await cabinet.get(place)).status_code == 401


async def test_everything_of_a_person_who_is_gone_is_forgotten(room):
    family, group = await a_family(room), uuid4()
    await room.choose(family, {(Kind.MARK, Channel.EMAIL): Mode.INSTANT})
    await room.report(room.group(group, family.student), room.mark(family, uuid4()))
    await room.erase(family.student)
    for table in ("preferences", "digests", "news", "group_members"):
        assert await room.query(f"SELECT * FROM {table}") == []


def run(*arguments: str) -> Any:
    # Without the common callback, which would set up this process's logging for a command line.
    return CliRunner().invoke(notifications_app, arguments, env={"COLUMNS": "400", "SUTKI_LANG": "en"})


@pytest.fixture
async def at_the_desk(service_database: ServiceDatabases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTKI_PUBLISHER_DATABASE_URL", (await service_database.urls("publisher")).app)
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    for terminal in (console.out, console.err):
        monkeypatch.setattr(terminal, "width", 400)


@pytest.mark.usefixtures("at_the_desk")
async def test_the_operator_lists_decides_and_reads_the_log(room):
    family = await a_family(room, push=False)
    assert "There are none." in (await asyncio.to_thread(run, "undecided")).output
    await shown(room, family)
    await room.settle(await room.claim(), NotificationState.UNDECIDED, "sender_lost")
    (row,) = await room.query("SELECT notification_id FROM notifications")
    message = str(row["notification_id"])
    listed = await asyncio.to_thread(run, "undecided")
    assert listed.exit_code == 0, listed.output
    for said in (message, "email", "sender_lost", str(family.mother)):
        assert said in listed.output
    decision = ("--by", "Duty officer", "--why", "not in the server's log")
    neither = await asyncio.to_thread(run, "resolve", message, *decision)
    both = await asyncio.to_thread(run, "resolve", message, "--sent", "--resend", *decision)
    silent = await asyncio.to_thread(run, "resolve", message, "--sent", "--by", " ", "--why", "x")
    assert {neither.exit_code, both.exit_code, silent.exit_code} == {1}
    resent = await asyncio.to_thread(run, "resolve", message, "--resend", *decision)
    assert (resent.exit_code, resent.output.strip()) == (0, "it will be sent again")
    again = await asyncio.to_thread(run, "resolve", message, "--resend", *decision)
    assert again.exit_code == 1
    assert (await room.query("SELECT state FROM notifications"))[0]["state"] == "retry"
    for option, about in (
        ("--recipient", family.mother),
        ("--student", family.student),
        ("--school", room.school_id),
        ("--message", message),
    ):
        log = await asyncio.to_thread(run, "log", option, str(about))
        assert log.exit_code == 0, log.output
        assert "Duty officer: not in the server's log" in log.output
    assert (await asyncio.to_thread(run, "log")).exit_code == 1
