"""A push service that misbehaves in every way it may: who can be told is told once, who cannot is told by mail."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chassis import auth
from chassis.database import DISTRICT
from services.publisher.push.vapid import VapidKey
from sutki import environment
from sutki.stack.push_browser import Browser
from sutki.stack.push_sink import Misbehaviour, PushService
from tests.support import folders
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

ANSWERS = {
    "taken": None,
    "404": Misbehaviour(status=404),
    "410": Misbehaviour(status=410),
    "413": Misbehaviour(status=413),
    "400": Misbehaviour(status=400),
    "429": Misbehaviour(status=429, headers={"Retry-After": "2"}),
    "500": Misbehaviour(status=500),
    "time-out": Misbehaviour(hang_seconds=30),
}
"""What the push service answers first; those that are told to come again find it well."""
TOLD = {"taken", "429", "500", "time-out"}
GONE = {"404", "410"}


@dataclass
class Reader:
    """A representative with a browser, of one child."""

    representative: str
    student: str
    address: str
    browser: Browser


@dataclass
class World:
    """The system with a push service of its own."""

    system: System
    service: PushService
    key: VapidKey
    token: str = ""

    async def subscribe(self, pair: tuple[str, str], address: str) -> Reader:
        """A browser of the representative subscribes through the API, as the cabinet does it."""
        browser = self.service.browser(self.key.public)
        async with self.api() as client:
            url = f"/v1/people/{self.system.ids[pair[0]]}/push-subscriptions"
            answer = await client.put(url, json=browser.subscription())
            assert answer.status_code in {200, 201}, answer.text
        return Reader(*pair, address, browser)

    def api(self) -> httpx.AsyncClient:
        """The publisher's, as a district's client."""
        return httpx.AsyncClient(
            base_url=self.system.stack.address("publisher"),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=20,
            trust_env=False,
        )

    def pairs(self) -> list[tuple[tuple[str, str], str]]:
        """Who agreed to push and to mail, reads on the screen, and has one child: with the address."""
        graded = {one.student_id for one in self.system.district.final_grades if one.period_id.startswith("school-1")}
        shown = self.system.truth.consenting - self.system.truth.on_paper
        represented = Counter(one for some in self.system.truth.representatives.values() for one in some)
        found = {
            row.student_id: ((row.representative_id, row.student_id), row.email_address)
            for row in self.system.district.consents
            if row.push == row.email == "given" and row.student_id in graded
            if (row.representative_id, row.student_id) in shown and represented[row.representative_id] == 1
        }
        return [found[student] for student in sorted(found)]


@pytest.fixture(scope="module")
async def world(kafka_broker: object) -> AsyncIterator[World]:
    folder = folders.make("push")
    try:
        async with PushService(folder / "push") as service:
            key = VapidKey.generate()
            (folder / "vapid.pem").write_bytes(key.pem())
            settings = {
                "SUTKI_PUBLISHER_VAPID_KEY_FILE": str(folder / "vapid.pem"),
                "SUTKI_PUBLISHER_PUSH_PRIVATE_HOSTS": service.host,
                "SUTKI_PUBLISHER_PUSH_CA_FILE": str(service.ca_file),
                "SUTKI_PUBLISHER_PUSH_TIMEOUT_SECONDS": "2",
                "SUTKI_PUBLISHER_RETRY_BASE_SECONDS": "1",
            }
            async with System.running(folder, students=200, settings=settings) as system:
                made = World(system, service, key)
                async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
                    made.token = await auth.create_client(conn, school_id=None, label="test")
                yield made
    finally:
        folders.remove(folder)


async def test_whatever_the_push_service_answers_everybody_is_told_once_by_push_or_by_mail(world: World):
    pairs = world.pairs()
    assert len(pairs) >= len(ANSWERS), len(pairs)
    readers = {name: await world.subscribe(*pair) for name, pair in zip(ANSWERS, pairs, strict=False)}
    for name, answer in ANSWERS.items():
        if answer is not None:
            world.service.behave(always=answer, to=readers[name].browser)
    for reader in readers.values():
        await world.system.send(world.system.grades(1, student=reader.student))
    await eventually(
        lambda: {one for one, _ in world.service.requests} >= _tokens(readers), what="every browser is tried"
    )
    for name in ("429", "500", "time-out"):
        world.service.behave(to=readers[name].browser)
    await world.system.drained()
    await eventually(lambda: none_under_way(world), what="every message is settled")
    assert world.service.complaints == []
    for name, reader in readers.items():
        shown = list(reader.browser.shown.values())
        assert len(shown) == (1 if name in TOLD else 0), name
        for payload in shown:
            assert not set(payload) - {"title", "path", "tag", "language"}, payload
    kept = await subscriptions(world)
    for name in GONE:
        assert readers[name].browser.endpoint not in kept, "a browser that is gone is forgotten"
    told_by_mail = {to for mail in await world.system.stack.mail.messages(limit=9999) for to in mail["to"]}
    for name, reader in readers.items():
        assert reader.address in told_by_mail, name


async def test_a_push_service_that_refuses_our_key_is_left_alone_and_families_are_told_by_mail(world: World):
    await world.system.drained()
    reader = await world.subscribe(*world.pairs()[len(ANSWERS)])
    # That it took a message a moment ago would prove that our key is right and only this browser's subscription wrong.
    await world.system.let_pass(timedelta(minutes=11))
    world.service.behave(always=Misbehaviour(status=403))
    try:
        before = len(world.service.requests)
        await world.system.send(world.system.grades(1, student=reader.student))
        await eventually(lambda: len(world.service.requests) > before, what="the push service is asked")
        await world.system.drained()
        await eventually(lambda: none_under_way(world), what="every message is settled")
        mails = [mail for mail in await world.system.stack.mail.messages(limit=9999) if reader.address in mail["to"]]
        assert mails
        await eventually(lambda: suspended(world), what="operators see it")
    finally:
        world.service.behave()


def tried(world: World) -> set[str]:
    return {token for token, _ in world.service.requests}


def _tokens(readers: dict[str, Reader]) -> set[str]:
    return {reader.browser.token for reader in readers.values()}


async def none_under_way(world: World) -> bool:
    query = "SELECT count(*) FROM notifications WHERE state IN ('queued', 'retry', 'claimed')"
    async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
        return int(await conn.fetchval(query)) == 0


async def subscriptions(world: World) -> set[Any]:
    async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
        return {row["endpoint"] for row in await conn.fetch("SELECT endpoint FROM push_subscriptions")}


async def suspended(world: World) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        metrics = (await client.get(f"{world.system.stack.address('publisher')}/metrics")).text
    lines = [line for line in metrics.splitlines() if line.startswith("sutki_publisher_push_services_suspended ")]
    return any(float(line.split()[-1]) >= 1 for line in lines)
