"""A school's office for the tests of extracts: it hears events, renders, prints, and can be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, Literal
from uuid import UUID, uuid4

from aiokafka.structs import ConsumerRecord

from chassis.clock import FixedClock
from chassis.consuming import Consumer
from chassis.database import DISTRICT, Database, Scope
from chassis.messages import headers_for
from contracts.base import Event, ExtractId, PersonId, RequestId
from contracts.catalogue import EVENTS
from contracts.extract_handed_over import ExtractHandedOver
from contracts.extract_printed import ExtractPrinted
from contracts.extract_requested import ExtractRequested
from contracts.person_changed import PersonChanged
from contracts.values import ResultVersion
from services.extracts.domain import extract_id_of
from services.extracts.rendering import Renderer
from services.extracts.rendering_job import RenderingJob
from services.extracts.subscribers import paper_consumer
from tests.support.builders import OBTAINED_AT, ExamResultBuilder, FinalGradeBuilder, a_representative, a_student
from tests.support.builders.people import PersonBuilder, StudentBuilder

HOUR = timedelta(hours=1)
Result = FinalGradeBuilder | ExamResultBuilder
_offsets = count()


@dataclass(frozen=True)
class Family:
    """A student and the representative for whom the paper is."""

    mother: PersonBuilder = field(default_factory=a_representative)
    student: StudentBuilder = field(default_factory=a_student)

    def known(self) -> list[Event]:
        return [self.mother.event(), self.student.event()]


@dataclass(frozen=True)
class Request:
    """What the publisher asks."""

    family: Family
    results: tuple[Result, ...]
    id: RequestId = field(default_factory=lambda: RequestId(uuid4()))

    @property
    def extract_id(self) -> ExtractId:
        return extract_id_of(self.id)

    def event(
        self, revision: int = 1, state: Literal["requested", "cancelled"] = "requested", *results: Result
    ) -> ExtractRequested:
        return ExtractRequested(
            revision=revision,
            request_id=self.id,
            school_id=self.family.student.school_id,
            student_id=self.family.student.student_id,
            recipient_id=PersonId(self.family.mother.id),
            items=[
                ResultVersion(result_id=result.id, value_revision=result.value_revision)
                for result in results or self.results
            ],
            state=state,
            due_at=min(result.due_at for result in self.results),
            requested_at=OBTAINED_AT + timedelta(minutes=10),
        )


@dataclass
class Office:
    """The service without its process: consumer, rendering job, clock, and what lies in the tables."""

    database: Database
    renderer: Renderer
    clock: FixedClock = field(default_factory=lambda: FixedClock(OBTAINED_AT + HOUR))
    consumer: Consumer = field(init=False)
    job: RenderingJob = field(init=False)

    def __post_init__(self) -> None:
        self.consumer = paper_consumer(self.database, self.clock)
        self.job = RenderingJob(self.database, self.clock, self.renderer)

    async def hears(self, *events: Event) -> None:
        """One batch of records."""
        await self.consumer.process([_record(event) for event in events])

    async def hears_one_by_one(self, *events: Event) -> None:
        """Each in a batch of its own."""
        for event in events:
            await self.hears(event)

    async def hears_of_erasure(self, person_id: UUID) -> None:
        """A tombstone on the topic of persons."""
        await self.consumer.process([_tombstone(person_id)])

    async def renders(self) -> None:
        """Rounds of the job until nothing is left to do."""
        while await self.job.round():
            pass

    async def fetch(self, query: str, *args: object, scope: Scope = DISTRICT) -> list[Any]:
        async with self.database.transaction(scope) as conn:
            return list(await conn.fetch(query, *args))

    async def value(self, query: str, *args: object, scope: Scope = DISTRICT) -> Any:
        async with self.database.transaction(scope) as conn:
            return await conn.fetchval(query, *args)

    async def state(self, request: Request) -> str | None:
        state: str | None = await self.value("SELECT state FROM extracts WHERE extract_id = $1", request.extract_id)
        return state

    async def number(self, request: Request) -> str | None:
        number: str | None = await self.value("SELECT number FROM extracts WHERE extract_id = $1", request.extract_id)
        return number

    async def sheet(self, request: Request) -> Any:
        return await self.value("SELECT sheet FROM sheets WHERE extract_id = $1", request.extract_id)

    async def register(self) -> list[tuple[str, str]]:
        rows = await self.fetch("SELECT number, kind FROM hand_over_register ORDER BY entry_id")
        return [(row["number"], row["kind"]) for row in rows]

    async def told(self) -> list[ExtractPrinted | ExtractHandedOver]:
        """Events in the outbox, in order."""
        rows = await self.fetch("SELECT type, payload FROM outbox ORDER BY id")
        events = [EVENTS[row["type"]].from_json(row["payload"]) for row in rows]
        return [event for event in events if isinstance(event, ExtractPrinted | ExtractHandedOver)]

    async def dead_letters(self) -> list[str]:
        return [row["reason"] for row in await self.fetch("SELECT reason FROM dead_letters ORDER BY id")]


def texts(rows: Sequence[dict[str, str]], column: str) -> list[str]:
    """One column of a sheet's table."""
    return [row[column] for row in rows]


def _record(event: Event) -> "ConsumerRecord[Any, Any]":
    headers = headers_for(
        event_id=event.event_id(),
        event_type=event.TOPIC,
        subject=str(event.key()),
        time=event.occurred_at(),
        traceparent=None,
    )
    return _make(event.TOPIC, str(event.key()).encode(), event.to_json(), headers)


def _tombstone(person_id: UUID) -> "ConsumerRecord[Any, Any]":
    headers = headers_for(
        event_id=uuid4(), event_type=PersonChanged.TOPIC, subject=str(person_id), time=OBTAINED_AT, traceparent=None
    )
    return _make(PersonChanged.TOPIC, str(person_id).encode(), None, headers)


def _make(topic: str, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]) -> "ConsumerRecord[Any, Any]":
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=next(_offsets),
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=len(value or b""),
        headers=tuple(headers),
    )
