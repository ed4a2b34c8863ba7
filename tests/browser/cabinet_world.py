"""Builders for tests of the cabinet: families, and the events by which the cabinet hears of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Literal
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord

from chassis.clock import Clock, DatabaseClock
from chassis.consuming import Consumer
from chassis.database import DISTRICT, Connection, Database, reader
from chassis.messages import Consumable, carrier, headers_for
from contracts.base import ConsentId, GroupId, MarkId, PersonId, ResultId, SchoolId, StudentId, SubjectId
from contracts.consent_changed import ConsentChanged, Decisions
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from contracts.person_changed import Enrolment, PersonChanged, PersonName, Representation, Role
from contracts.school_changed import SchoolChanged
from contracts.values import Decision, Period, PeriodKind, Subject, WorkType
from services.cabinet.handlers import NewAccount, acknowledge_due, create_accounts
from services.cabinet.queries.reading import READER_ROLE
from services.cabinet.settings import Settings
from services.cabinet.subscribers import projection_consumer

PARTITIONS = 6
PASSWORD = "three words together"
LONG_AGO = datetime(2026, 9, 1, 5, tzinfo=UTC)
QUARTER = Period(
    kind=PeriodKind.QUARTER,
    number=1,
    school_year="2026/2027",
    starts_on=date(2026, 9, 1),
    ends_on=date(2026, 10, 25),
)
ALGEBRA = Subject(id=SubjectId(UUID(int=1)), title="Алгебра")
_OFFSETS = count()


def settings_for(url: str, **values: Any) -> Settings:
    """Settings with passwords that are hashed quickly."""
    quick = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "cookie_secure": False}
    return Settings(database_url=url, kafka_bootstrap="unused", **{**quick, **values})


def record_of(event: Consumable | None, *, key: UUID | None = None) -> "ConsumerRecord[bytes, bytes]":
    """An event as the broker hands it over; without an event the tombstone of a person."""
    kind = type(event) if event is not None else PersonChanged
    headers = headers_for(
        event_id=event.event_id() if event is not None else uuid4(),
        event_type=kind.TOPIC,
        subject=str(key or (event and event.key())),
        time=LONG_AGO,
        traceparent=None,
    )
    name = str(key or (event and event.key())).encode()
    value = event.to_json() if event is not None else None
    return ConsumerRecord(carrier(kind), 0, next(_OFFSETS), 0, 0, name, value, None, 0, 0, tuple(headers))


class World:
    """One cabinet, told about a district."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self.database = database
        self.clock = clock or DatabaseClock()
        self.consumer: Consumer = projection_consumer(database, self.clock)
        self.school_id = SchoolId(uuid4())

    async def tell(self, *events: Consumable) -> None:
        """One batch from the broker."""
        await self.consumer.process([record_of(event) for event in events])

    async def erase(self, person_id: UUID) -> None:
        """A person's tombstone."""
        await self.consumer.process([record_of(None, key=person_id)])

    async def hear(self, *, ago: timedelta = timedelta(0)) -> None:
        """A heartbeat of every partition."""
        async with self.database.transaction(DISTRICT) as conn:
            as_of = await self.clock.now(conn) - ago
        await self.tell(
            *(ConsentHeartbeat(as_of=as_of, partition=number, partitions=PARTITIONS) for number in range(PARTITIONS))
        )

    async def look(self) -> int:
        """The acknowledging loop until nothing is due."""
        handled = total = await acknowledge_due(self.database, self.clock, 200)
        while handled:
            handled = await acknowledge_due(self.database, self.clock, 200)
            total += handled
        return total

    async def account(self, person_id: UUID, login: str | None = None) -> str:
        """Gives a person an account and returns its login."""
        login = login or f"u{person_id.hex[:12]}"
        settings = settings_for(self.database.url)
        await create_accounts(self.database, settings, [NewAccount(person_id, login, PASSWORD)], clock=self.clock)
        return login

    def school(self, name: str = "Школа № 7", *, time_zone: str = "Europe/Moscow", revision: int = 1) -> SchoolChanged:
        """The school of everybody here."""
        return SchoolChanged(
            revision=revision, school_id=self.school_id, name=name, time_zone=time_zone, changed_at=LONG_AGO
        )

    def student(
        self,
        representatives: Sequence[UUID] = (),
        *,
        student_id: UUID | None = None,
        given: str = "Анна",
        family: str = "Примерова",
        birth_date: date | None = date(2013, 2, 3),
        class_name: str = "7А",
        grade_level: int = 7,
        in_force: bool = True,
        revision: int = 1,
    ) -> PersonChanged:
        """A student with those who represent them."""
        return PersonChanged(
            revision=revision,
            person_id=PersonId(student_id or uuid4()),
            roles=[Role.STUDENT],
            school_ids=[self.school_id],
            name=PersonName(family=family, given=given),
            birth_date=birth_date,
            enrolment=Enrolment(
                school_id=self.school_id,
                class_id=GroupId(uuid4()),
                class_name=class_name,
                grade_level=grade_level,
                representatives=[
                    Representation(representative_id=PersonId(item), kind="parent", in_force=in_force)
                    for item in representatives
                ],
            ),
            changed_at=LONG_AGO,
        )

    def consent(
        self,
        representative_id: UUID,
        student_id: UUID,
        cabinet: Decision = Decision.GIVEN,
        *,
        consent_id: UUID | None = None,
        effective_from: datetime = LONG_AGO,
        revision: int = 1,
    ) -> ConsentChanged:
        """What a representative decided."""
        return ConsentChanged(
            revision=revision,
            consent_id=ConsentId(consent_id or uuid4()),
            representative_id=PersonId(representative_id),
            student_id=StudentId(student_id),
            school_id=self.school_id,
            decisions=Decisions(cabinet=cabinet, email=Decision.UNANSWERED, push=Decision.UNANSWERED),
            document="paper",
            decided_at=min(LONG_AGO, effective_from),
            effective_from=effective_from,
        )

    def grade(
        self,
        student_id: UUID,
        value: Any = "4",
        *,
        result_id: UUID | None = None,
        subject: Subject = ALGEBRA,
        period: Period = QUARTER,
        state: Literal["set", "deferred", "withdrawn"] = "set",
        held: bool = False,
        obtained_at: datetime = LONG_AGO,
        deferred_until: date | None = None,
        value_revision: int | None = None,
        revision: int = 1,
    ) -> FinalGradeSet:
        """A final grade."""
        return FinalGradeSet(
            revision=revision,
            result_id=ResultId(result_id or uuid4()),
            value_revision=value_revision or revision,
            school_id=self.school_id,
            student_id=StudentId(student_id),
            subject=subject,
            period=period,
            state=state,
            value=value if state == "set" else None,
            held=held,
            deferred_until=deferred_until,
            obtained_at=obtained_at,
            recorded_at=obtained_at,
        )

    def exam(
        self, student_id: UUID, *, obtained_at: datetime = LONG_AGO, title: str = "ОГЭ по математике"
    ) -> ExamResultRecorded:
        """An exam's result."""
        return ExamResultRecorded(
            revision=1,
            result_id=ResultId(uuid4()),
            value_revision=1,
            school_id=self.school_id,
            student_id=StudentId(student_id),
            subject=ALGEBRA,
            kind="oge",
            title=title,
            state="set",
            score=Decimal(22),
            max_score=Decimal(31),
            grade="5",
            obtained_at=obtained_at,
            recorded_at=obtained_at,
        )

    def mark(
        self,
        student_id: UUID,
        value: Any = "5",
        *,
        mark_id: UUID | None = None,
        subject: Subject = ALGEBRA,
        lesson_on: date = date(2026, 10, 12),
        work_type: WorkType = WorkType.ANSWER,
        weight: str = "1.00",
        state: Literal["recorded", "withdrawn"] = "recorded",
        recorded_at: datetime = LONG_AGO,
        revision: int = 1,
    ) -> MarkRecorded:
        """A mark."""
        return MarkRecorded(
            revision=revision,
            mark_id=MarkId(mark_id or uuid4()),
            school_id=self.school_id,
            student_id=StudentId(student_id),
            subject=subject,
            lesson_on=lesson_on,
            work_type=work_type,
            weight=Decimal(weight),
            value=value,
            state=state,
            recorded_at=recorded_at,
        )

    async def read(self, person_id: UUID, query: str, *arguments: Any) -> list[Any]:
        """What a query gives to this reader."""
        async with self.database.transaction(reader(person_id), role=READER_ROLE) as conn:
            return list(await conn.fetch(query, *arguments))

    async def published(self, event_type: str) -> list[dict[str, Any]]:
        """The payloads of a kind in the outbox, oldest first."""
        async with self.database.transaction(DISTRICT) as conn:
            return [row["payload"] for row in await _outbox(conn, event_type)]


async def _outbox(conn: Connection, event_type: str) -> list[Any]:
    return list(
        await conn.fetch(
            "SELECT event_id, payload::jsonb AS payload FROM outbox WHERE type = $1 ORDER BY id", event_type
        )
    )
