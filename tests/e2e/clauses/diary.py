"""The sample school in a running system, as the clauses meet it: its API, its command line, what its families hear."""

import asyncio
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from typer.testing import CliRunner, Result

from contracts.base import Event, Fact
from contracts.catalogue import EVENTS, carrier
from sutki import console
from sutki.cli import app
from sutki.sample.district import TIME_ZONE
from sutki.sample.journal_records import DatedLesson
from tests.support.system import System
from tests.support.waiting import eventually

E = TypeVar("E", bound=Fact)
F = TypeVar("F", bound=Event)
SCHOOL = "school-1"
QUARTER = "school-1-quarter-1"
REQUEST_SECONDS = 120
FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


class Told:
    """What the gradebook tells on Kafka, heard by a consumer of our own from the beginning of each topic."""

    def __init__(self) -> None:
        self._heard: dict[type[Event], list[Event]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def of(cls, bootstrap: str, *events: type[Event]) -> AsyncIterator["Told"]:
        """Listens to the topics of these events."""
        consumer = AIOKafkaConsumer(
            *(carrier(event) for event in events),
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        told = cls()
        await consumer.start()
        listening = told._task = asyncio.create_task(told._listen(consumer))
        try:
            yield told
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await consumer.stop()

    async def _listen(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            headers = dict(record.headers)
            event = EVENTS[headers["ce_type"].decode()].from_json(record.value)
            assert record.key == str(event.key()).encode(), "events about one student or group are in order"
            self._heard[type(event)].append(event)

    def all(self, event: type[F], fits: Callable[[F], bool] = lambda _: True) -> list[F]:
        """What was heard so far."""
        return [one for one in self._heard[event] if isinstance(one, event) and fits(one)]

    async def one(self, event: type[E], fits: Callable[[E], bool], *, within: float = 60) -> E:
        """Waits for an event that fits; the one of the highest revision."""

        async def heard() -> bool:
            assert self._task is not None
            if self._task.done():
                self._task.result()
            return bool(self.all(event, fits))

        await eventually(heard, within=within, what=f"{event.__name__} as expected")
        return max(self.all(event, fits), key=lambda one: one.revision)


@dataclass
class Diary:
    """The school with its whole journal, and those who use it."""

    system: System
    told: Told
    http: httpx.AsyncClient
    """The gradebook's API, for the district's program."""
    _ids: dict[tuple[str, str], UUID] = field(default_factory=dict)

    # --- the API ----------------------------------------------------------------------------------------------------

    @property
    def school(self) -> str:
        """The address of the school."""
        return f"/v1/schools/{self.system.schools[SCHOOL]}"

    async def read(self, path: str, **query: Any) -> Any:
        """What the school's address below `path` answers."""
        wanted = {name.rstrip("_"): str(value) for name, value in query.items() if value is not None}
        answer = await self.http.get(f"{self.school}/{path}", params=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await self.read(path, cursor=cursor, **query)
            items, cursor = items + page["items"], page["next"]
            if cursor is None:
                return items

    async def send(self, kind: str, *records: Mapping[str, Any]) -> None:
        """Sends records, all of which are taken and are news."""
        answer = await self.http.post(f"{self.school}/{kind}", json=[as_json(record) for record in records])
        assert answer.status_code == 200, answer.text
        taken = answer.json()
        assert taken["added"] + taken["changed"] == len(records), taken

    async def refused(self, kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Sends a record that is refused; the one thing that is wrong with it."""
        answer = await self.http.post(f"{self.school}/{kind}", json=[as_json(record)])
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "nothing_taken", answer.text
        (fault,) = answer.json()["errors"]
        assert isinstance(fault, dict)
        return fault

    async def post(self, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Posts to an address of the school."""
        return await self.http.post(f"{self.school}/{path}", json=body, params=query)

    async def changes(self, after: str | None = None) -> tuple[list[dict[str, Any]], str]:
        """What the feed of changes has after a cursor, and the cursor at its end."""
        items: list[dict[str, Any]] = []
        while True:
            query = {"limit": "500"} | ({} if after is None else {"after": after})
            page = (await self.http.get("/v1/changes", params=query)).json()
            items, after = items + page["items"], page["next"]
            if not page["more"]:
                return items, str(after)

    async def id(self, kind: str, name: str) -> UUID:
        """Our id of what the journal calls so."""
        if (kind, name) not in self._ids:
            body = {"source": "district", "kind": kind, "ids": [name]}
            answer = await self.http.post("/v1/ids:resolve", json=body)
            assert answer.json()["unknown"] == [], answer.text
            self._ids[kind, name] = UUID(answer.json()["ids"][name])
        return self._ids[kind, name]

    # --- the command line -------------------------------------------------------------------------------------------

    async def sutki(self, *arguments: str | Path, **environment: str) -> Result:
        """Runs `sutki …` as an operator would; in a thread, since it brings its own event loop."""
        line = [str(argument) for argument in arguments]
        with pytest.MonkeyPatch.context() as patch:
            for terminal in (console.out, console.err):
                patch.setattr(terminal, "width", 200)
            done = await asyncio.to_thread(CliRunner().invoke, app, line, env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done

    # --- a family ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def signed_in(self, person: str) -> AsyncIterator[httpx.AsyncClient]:
        """The cabinet in the browser of somebody of the sample."""
        login, password = self.system.truth.accounts[person]
        async with httpx.AsyncClient(
            base_url=self.system.stack.address("cabinet"), timeout=REQUEST_SECONDS, trust_env=False
        ) as browser:
            token = FORM_TOKEN.search((await browser.get("/sign-in")).text)
            assert token
            form = {"form_token": token[1], "login": login, "password": password}
            assert (await browser.post("/sign-in", data=form)).status_code == 303
            yield browser

    # --- the sample -------------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        """In the school's time zone."""
        return datetime.now(ZoneInfo(TIME_ZONE)).date()

    @property
    def now(self) -> str:
        """The present instant."""
        return datetime.now(UTC).isoformat()

    @property
    def school_year(self) -> str:
        """The sample's, such as 2026/2027."""
        return self.system.district.periods[0].school_year

    @property
    def quarter(self) -> tuple[date, date]:
        """First and last day of the first quarter."""
        (found,) = [one for one in self.system.district.periods if one.period_id == QUARTER]
        return found.starts_on, found.ends_on

    def in_class(self, grade: int) -> str:
        """The class of a grade."""
        return f"{SCHOOL}-class-{grade}-1"

    def students(self, group: str) -> list[str]:
        """Who is in a group."""
        return [one.person_id for one in self.system.district.members if one.group_id == group]

    def class_of(self, student: str) -> str:
        """The class of a student."""
        classes = {one.group_id for one in self.system.district.groups if one.kind == "class"}
        (found,) = [
            one.group_id for one in self.system.district.members if one.person_id == student and one.group_id in classes
        ]
        return found

    def lessons(self, group: str, subject: str | None = None) -> list[DatedLesson]:
        """Lessons of the first quarter that a group had and nothing disturbed."""
        first, last = self.quarter
        disturbed = {one.lesson_id for one in self.system.district.substitutions}
        return [
            one
            for one in self.system.district.lessons
            if one.group_id == group
            and one.status == "held"
            and subject in (None, one.subject_id)
            and first <= one.lesson_on <= last
            and one.lesson_id not in disturbed
        ]

    def mark(self, name: str, student: str, lesson: DatedLesson, value: str = "5", **more: Any) -> dict[str, Any]:
        """A mark at a lesson, as a journal sends it."""
        return {
            "mark_id": name,
            "student_id": student,
            "subject_id": lesson.subject_id,
            "group_id": lesson.group_id,
            "lesson_on": lesson.lesson_on,
            "lesson_id": lesson.lesson_id,
            "author_id": lesson.teacher_id,
            "work_type": "answer",
            "value": value,
        } | more

    async def import_archive(self, name: str, content: bytes, **query: str) -> dict[str, Any]:
        """Sends a file to the front door."""
        answer = await self.http.post("/v1/imports", params=query, files={"file": (name, content)})
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report


def archive(folder: Path, *parts: str) -> bytes:
    """The files of some folders as one archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for file in sorted(file for part in parts for file in (folder / part).iterdir()):
            target.write(file, file.name)
    return packed.getvalue()


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it is sent."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in record.items()}
