"""Subscribing over the HTTP API, which the cabinet calls for the person who is signed in."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from typer.testing import CliRunner

from chassis.auth import create_client
from chassis.database import DISTRICT, reader, school
from chassis.service import Service
from contracts.values import Decision
from services.publisher.push.api import make_router
from services.publisher.push.endpoints import PushHosts
from services.publisher.push.subscribing import Subscribing
from services.publisher.push.vapid import VapidKey
from services.publisher.settings import Settings
from sutki.commands.keys import keys_app
from sutki.stack.push_browser import Browser, base64url
from tests.integration.publisher_district import SECOND, District, Family
from tests.support.databases import ServiceDatabases

HOST = "https://fcm.googleapis.com/fcm/send/"
KEY = VapidKey.generate()


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


@pytest.fixture
async def family(district: District) -> Family:
    return await district.known_family(push=True)


async def a_client(district: District, key: VapidKey | None = KEY, school_id: UUID | None = None) -> httpx.AsyncClient:
    async with district.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=school_id, label="cabinet")
    subscribing = Subscribing(district.database, district.clock, PushHosts(), per_person=3)
    service = Service(
        settings=Settings(database_url="unused", kafka_bootstrap="unused"),
        database=district.database,
        title="publisher",
        routers=[make_router(district.database, subscribing, key)],
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app()),
        base_url="http://publisher/v1",
        headers={"Authorization": f"Bearer {token}"},
    )


@pytest.fixture
async def cabinet(district: District) -> AsyncIterator[httpx.AsyncClient]:
    async with await a_client(district) as client:
        yield client


def of(person: UUID) -> str:
    return f"/people/{person}/push-subscriptions"


def a_browser() -> Browser:
    return Browser(HOST + uuid4().hex)


async def kept(district: District) -> list[Any]:
    return await district.query("SELECT * FROM push_subscriptions ORDER BY confirmed_at, subscription_id")


async def test_a_browser_subscribes_with_our_key_and_is_kept(district, family, cabinet):
    answer = await cabinet.get("/push/vapid-public-key")
    assert answer.json() == {"public_key": KEY.public}
    browser = a_browser()
    answer = await cabinet.put(of(family.mother), json=browser.subscription())
    assert answer.status_code == 201
    (row,) = await kept(district)
    assert answer.json() == {"subscription_id": str(row["subscription_id"])}
    assert (row["person_id"], row["endpoint"], row["origin"]) == (
        family.mother,
        browser.endpoint,
        "https://fcm.googleapis.com",
    )
    assert (row["p256dh"], row["auth"]) == (browser.public, browser.auth)


async def test_subscribing_again_confirms_and_makes_nothing_new(district, family, cabinet):
    browser = a_browser()
    first = await cabinet.put(of(family.mother), json=browser.subscription())
    await district.query(
        "UPDATE push_subscriptions SET paused_until = $1, paused_reason = 'refused' RETURNING 1", district.now + SECOND
    )
    await district.advance(SECOND)
    again = await cabinet.put(of(family.mother), json=browser.subscription())
    assert (again.status_code, again.json()) == (200, first.json())
    (row,) = await kept(district)
    assert (row["confirmed_at"], row["paused_until"]) == (district.now, None)


async def test_what_is_shown_of_a_persons_browsers_has_no_address(district, family, cabinet):
    browser = a_browser()
    await cabinet.put(of(family.mother), json=browser.subscription())
    answer = await cabinet.get(of(family.mother))
    assert [one["origin"] for one in answer.json()["items"]] == ["https://fcm.googleapis.com"]
    assert browser.token not in answer.text
    assert base64url(browser.auth) not in answer.text
    assert (await cabinet.get(of(family.father))).json() == {"items": []}


async def test_a_browser_belongs_to_whoever_of_a_family_subscribed_there_last(district, family, cabinet):
    await district.tell(family.consent(family.father, push=True))
    browser = a_browser()
    await cabinet.put(of(family.mother), json=browser.subscription())
    answer = await cabinet.put(of(family.father), json=browser.subscription())
    assert answer.status_code == 200
    assert [row["person_id"] for row in await kept(district)] == [family.father]


async def test_nobody_takes_over_an_endpoint_without_its_browsers_keys(district, family, cabinet):
    await district.tell(family.consent(family.father, push=True))
    browser = a_browser()
    await cabinet.put(of(family.mother), json=browser.subscription())
    stolen = Browser(browser.endpoint)
    answer = await cabinet.put(of(family.father), json=stolen.subscription())
    assert (answer.status_code, answer.json()["code"]) == (409, "foreign_endpoint")
    assert browser.token not in answer.text
    (row,) = await kept(district)
    assert (row["person_id"], row["p256dh"]) == (family.mother, browser.public)


@pytest.mark.parametrize("what", ["one", "all"])
async def test_a_person_is_forgotten_browser_by_browser_or_at_once(district, family, cabinet, what):
    await district.tell(family.consent(family.father, push=True))
    ids = [(await cabinet.put(of(family.mother), json=a_browser().subscription())).json() for _ in range(2)]
    await cabinet.put(of(family.father), json=a_browser().subscription())
    path = of(family.mother) + (f"/{ids[0]['subscription_id']}" if what == "one" else "")
    for _ in range(2):
        assert (await cabinet.delete(path)).status_code == 204
    owners = sorted(row["person_id"] for row in await kept(district))
    assert owners == sorted([family.father] + ([family.mother] if what == "one" else []))


async def test_nobody_forgets_anothers_browser(district, family, cabinet):
    answer = await cabinet.put(of(family.mother), json=a_browser().subscription())
    await cabinet.delete(f"{of(family.father)}/{answer.json()['subscription_id']}")
    assert len(await kept(district)) == 1


async def test_of_too_many_browsers_those_confirmed_last_are_kept(district, family, cabinet):
    browsers = [a_browser() for _ in range(5)]
    for browser in browsers:
        await cabinet.put(of(family.mother), json=browser.subscription())
        await district.advance(SECOND)
    assert [row["endpoint"] for row in await kept(district)] == [one.endpoint for one in browsers[2:]]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"endpoint": "https://evil.org/x"}, "#/endpoint"),
        ({"endpoint": "http://fcm.googleapis.com/x"}, "#/endpoint"),
        ({"endpoint": "https://10.0.0.1/x"}, "#/endpoint"),
        ({"endpoint": HOST + "x" * 2048}, "#/endpoint"),
        ({"endpoint": "https://fcm.googleapis.com@evil.org/x"}, "#/endpoint"),
        ({"p256dh": base64url(bytes(65))}, "#/p256dh"),
        ({"p256dh": base64url(b"\x04" + bytes(64))}, "#/p256dh"),
        ({"auth": base64url(bytes(8))}, "#/auth"),
        ({"auth": None}, "#/auth"),
        ({"extra": 1}, "#/extra"),
    ],
)
async def test_a_subscription_that_can_never_be_used_is_refused_by_its_field(
    district, family, cabinet, wrong, pointer, caplog, capsys
):
    answer = await cabinet.put(of(family.mother), json={**a_browser().subscription(), **wrong})
    assert answer.status_code == 422
    assert [fault["pointer"].removeprefix("#") for fault in answer.json()["errors"]] == [pointer.removeprefix("#")]
    assert await kept(district) == []
    assert "evil" not in answer.text + caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize("decision", [None, Decision.REFUSED, Decision.WITHDRAWN])
async def test_nothing_is_kept_of_whom_nothing_may_be_told(district, cabinet, decision):
    family = await district.known_family()
    if decision is not None:
        await district.tell(family.consent(family.mother, 2, decision, push=True, at=district.now))
    answer = await cabinet.put(of(family.mother), json=a_browser().subscription())
    assert (answer.status_code, answer.json()["code"]) == (409, "no_push_consent")
    assert await kept(district) == []


async def test_without_a_key_push_is_off_and_says_so(district, family):
    async with await a_client(district, None) as cabinet:
        for answer in (
            await cabinet.get("/push/vapid-public-key"),
            await cabinet.put(of(family.mother), json=a_browser().subscription()),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "push_not_configured")
            assert "sutki keys vapid" in answer.json()["detail"]
        assert (await cabinet.delete(of(family.mother))).status_code == 204


async def test_only_the_districts_client_may_ask_and_only_with_its_token(district, family, cabinet):
    async with await a_client(district, school_id=district.school_id) as of_a_school:
        assert (await of_a_school.put(of(family.mother), json=a_browser().subscription())).status_code == 403
        assert (await of_a_school.get(of(family.mother))).status_code == 403
        assert (await of_a_school.delete(of(family.mother))).status_code == 403
    del cabinet.headers["Authorization"]
    for method in ("GET", "PUT", "DELETE"):
        answer = await cabinet.request(method, of(family.mother), json=a_browser().subscription())
        assert answer.status_code == 401
    assert (await cabinet.get("/push/vapid-public-key")).status_code == 401


@pytest.mark.parametrize("table", ["push_subscriptions", "push_origins", "push_deliveries"])
async def test_no_school_and_no_reader_sees_the_tables_of_push(district, family, cabinet, table):
    await cabinet.put(of(family.mother), json=a_browser().subscription())
    for scope in (school(district.school_id), reader(family.mother)):
        async with district.database.transaction(scope) as conn:
            assert await conn.fetch(f"SELECT FROM {table}") == []


def test_the_command_makes_a_key_that_only_its_owner_reads_and_never_over_another(tmp_path: Path):
    file = tmp_path / "vapid.pem"
    made = CliRunner().invoke(keys_app, ["vapid", str(file)])
    assert made.exit_code == 0, made.output
    key = VapidKey.from_pem(file.read_bytes())
    assert key.public in made.output.replace("\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = CliRunner().invoke(keys_app, ["vapid", str(file)])
    assert again.exit_code == 1
    assert VapidKey.from_pem(file.read_bytes()).public == key.public
