"""A small district for the publisher's tests: builders of events, and ways to look at what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Literal
from uuid import UUID, uuid4

from aiokafka.structs import ConsumerRecord

from chassis.clock import FixedClock
from chassis.consuming import Consumer
from chassis.database import DISTRICT, Database
from chassis.messages import headers_for
from contracts.account_changed import AccountChanged
from contracts.base import Event
from contracts.catalogue import EVENTS
from contracts.consent_changed import ConsentChanged, Contact, Decisions
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.extract_handed_over import ExtractHandedOver
from contracts.extract_printed import ExtractPrinted
from contracts.extract_requested import ExtractRequested
from contracts.final_grade_set import FinalGradeSet
from contracts.person_changed import Enrolment, PersonChanged, PersonName, Representation, Role
from contracts.results_visible import ResultsVisible, Visibility
from contracts.school_changed import SchoolChanged
from contracts.values import Decision, Period, PeriodKind, ResultVersion, Subject
from services.publisher.domain.policy import Policy
from services.publisher.loops import Deadlines
from services.publisher.subscribers import make_consumer

START = datetime(2026, 10, 23, 11, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
PARTITIONS = 2
FIRST_QUARTER = Period(
    kind=PeriodKind.QUARTER,
    number=1,
    school_year="2026/2027",
    starts_on=date(2026, 9, 1),
    ends_on=date(2026, 10, 25),
)


@dataclass(frozen=True)
class Family:
    """A student with two representatives, and the events that make them known. Immutable: `replace` makes another."""

    school_id: UUID
    student: UUID = field(default_factory=uuid4)
    mother: UUID = field(default_factory=uuid4)
    father: UUID = field(default_factory=uuid4)
    consent_ids: dict[UUID, UUID] = field(default_factory=dict)
    given: str = "Анна"
    birth_date: date = date(2013, 2, 3)

    def person(self, revision: int = 1, *, without: Sequence[UUID] = ()) -> PersonChanged:
        """The student, represented by both, except those named."""
        return PersonChanged(
            revision=revision,
            person_id=self.student,
            roles=[Role.STUDENT],
            school_ids=[self.school_id],
            name=PersonName(family="Примерова", given=self.given),
            birth_date=self.birth_date,
            enrolment=Enrolment(
                school_id=self.school_id,
                class_id=None,
                class_name="7А",
                grade_level=7,
                representatives=[
                    Representation(representative_id=one, kind="parent", in_force=one not in without)
                    for one in (self.mother, self.father)
                ],
            ),
            changed_at=START,
        )

    def account(self, person: UUID, revision: int = 1, *, active: bool = True, at: datetime = START) -> AccountChanged:
        """An account in the cabinet."""
        return AccountChanged(revision=revision, person_id=person, active=active, changed_at=at)

    def consent(
        self,
        person: UUID,
        revision: int = 1,
        decision: Decision = Decision.GIVEN,
        *,
        email: str | None = None,
        no_internet: bool = False,
        at: datetime = START - HOUR,
        effective_from: datetime | None = None,
        language: Literal["ru", "en"] = "ru",
        push: bool = False,
    ) -> ConsentChanged:
        """What a representative decided; with an address, also about e-mail, and about push where asked."""
        by_mail = decision if email or decision is not Decision.GIVEN else Decision.UNANSWERED
        return ConsentChanged(
            revision=revision,
            consent_id=self.consent_ids.setdefault(person, uuid4()),
            representative_id=person,
            student_id=self.student,
            school_id=self.school_id,
            decisions=Decisions(cabinet=decision, email=by_mail, push=decision if push else Decision.UNANSWERED),
            no_internet=no_internet,
            document="paper",
            contact=Contact(email=email, language=language) if email else None,
            decided_at=at,
            effective_from=effective_from or at,
        )

    def grade(
        self,
        result: UUID,
        revision: int = 1,
        value: str | None = "4",
        *,
        value_revision: int | None = None,
        held: bool = False,
        state: Literal["set", "deferred", "withdrawn"] = "set",
        obtained: datetime = START,
        recorded: datetime | None = None,
        subject: str = "Алгебра",
    ) -> FinalGradeSet:
        """A final grade."""
        return FinalGradeSet(
            revision=revision,
            result_id=result,
            value_revision=value_revision or revision,
            school_id=self.school_id,
            student_id=self.student,
            subject=Subject(id=uuid4(), title=subject),
            period=FIRST_QUARTER,
            state=state,
            value=value if state == "set" else None,
            held=held,
            deferred_until=date(2026, 11, 20) if state == "deferred" else None,
            obtained_at=obtained,
            recorded_at=recorded or obtained,
        )

    def exam(self, result: UUID, *, obtained: datetime = START, recorded: datetime | None = None) -> ExamResultRecorded:
        """The result of an exam."""
        return ExamResultRecorded(
            revision=1,
            result_id=result,
            value_revision=1,
            school_id=self.school_id,
            student_id=self.student,
            subject=Subject(id=uuid4(), title="Математика"),
            kind="oge",
            title="ОГЭ по математике",
            state="set",
            score=22,
            max_score=31,
            grade="5",
            obtained_at=obtained,
            recorded_at=recorded or obtained,
        )

    def visible(
        self,
        result: UUID,
        *people: UUID,
        at: datetime,
        revision: int = 1,
        value_revision: int = 1,
        consent_revision: int = 1,
    ) -> ResultsVisible:
        """The cabinet shows a result to these people since an instant; a student reads on the mother's consent."""
        return ResultsVisible(
            revision=revision,
            result_id=result,
            value_revision=value_revision,
            school_id=self.school_id,
            student_id=self.student,
            visible=[
                Visibility(
                    recipient_id=one,
                    visible_at=at,
                    consent_id=self.consent_ids.get(one) or self.consent_ids[self.mother],
                    consent_revision=consent_revision,
                )
                for one in people
            ],
            changed_at=at,
        )

    def printed(self, request: ExtractRequested, *, at: datetime, number: str = "2026/000001") -> ExtractPrinted:
        """The sheet that was asked for."""
        return ExtractPrinted(
            revision=1,
            extract_id=request.request_id,
            request_id=request.request_id,
            school_id=request.school_id,
            student_id=request.student_id,
            recipient_id=request.recipient_id,
            number=number,
            items=request.items,
            content_sha256="0" * 64,
            printed_at=at,
        )

    def handed_over(self, request: ExtractRequested, *, at: datetime) -> ExtractHandedOver:
        """The sheet leaves the school."""
        return ExtractHandedOver(
            revision=2,
            extract_id=request.request_id,
            request_id=request.request_id,
            school_id=request.school_id,
            student_id=request.student_id,
            recipient_id=request.recipient_id,
            items=request.items,
            way="in_person",
            handed_over_at=at,
        )


class District:
    """The publisher over a real database, with a clock that stands until it is moved."""

    def __init__(self, database: Database, policy: Policy | None = None) -> None:
        self.database = database
        self.clock = FixedClock(START)
        self.policy = policy or Policy()
        self.consumer: Consumer = make_consumer(database, self.clock, self.policy)
        self.deadlines = Deadlines(database, self.clock, self.policy)
        # A batch that fails is applied one by one in production; here it would hide what went wrong.
        setattr(self.consumer, "_one_by_one", self._fail)  # noqa: B010
        self.school_id = uuid4()
        self._offsets = count()

    async def _fail(self, *_: Any) -> None:
        raise AssertionError("a batch could not be applied")

    @property
    def now(self) -> datetime:
        """Where the clock stands."""
        return self.clock.at

    async def advance(self, by: timedelta, *, fresh: bool = True) -> None:
        """Moves the clock; consents stay freshly heard unless said otherwise."""
        self.clock.advance(by)
        if fresh:
            await self.hear()

    async def hear(self) -> None:
        """The view of consents is complete up to now."""
        await self.tell(
            *(ConsentHeartbeat(as_of=self.now, partition=one, partitions=PARTITIONS) for one in range(PARTITIONS))
        )

    def school(self) -> SchoolChanged:
        """The school."""
        return SchoolChanged(revision=1, school_id=self.school_id, name="Школа № 1", changed_at=START)

    def family(self, **different: Any) -> Family:
        """A family of the school."""
        return replace(Family(self.school_id), **different)

    async def known_family(self, *, email: str | None = None, push: bool = False, **different: Any) -> Family:
        """A family of which the mother reads on the screen, the father gets paper, the child has no account."""
        family = self.family(**different)
        await self.hear()
        await self.tell(
            self.school(),
            family.person(),
            family.account(family.mother),
            family.consent(family.mother, email=email, push=push),
        )
        return family

    async def tell(self, *events: Event) -> None:
        """Hands events over in one batch, as they come from the broker."""
        await self.consumer.process([self.record(event) for event in events])

    async def erase(self, person_id: UUID) -> None:
        """A tombstone for a person."""
        headers = headers_for(
            event_id=uuid4(),
            event_type=PersonChanged.TOPIC,
            subject=str(person_id),
            time=self.now,
            traceparent=None,
        )
        await self.consumer.process([self._raw(PersonChanged.TOPIC, person_id, None, headers)])

    def record(self, event: Event) -> "ConsumerRecord[Any, Any]":
        """An event as it comes from the broker."""
        headers = headers_for(
            event_id=event.event_id(),
            event_type=event.TOPIC,
            subject=str(event.key()),
            time=event.occurred_at(),
            traceparent=None,
        )
        return self._raw(event.TOPIC, event.key(), event.to_json(), headers)

    def _raw(
        self, topic: str, key: UUID, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> "ConsumerRecord[Any, Any]":
        return ConsumerRecord(
            topic=topic,
            partition=0,
            offset=next(self._offsets),
            timestamp=0,
            timestamp_type=0,
            key=str(key).encode(),
            value=value,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=headers,
        )

    async def query(self, statement: str, *values: Any) -> list[Any]:
        """Rows of the publisher's tables, seen with the whole district's eyes."""
        async with self.database.transaction(DISTRICT) as conn:
            return await conn.fetch(statement, *values)

    async def dead_letters(self) -> list[str]:
        """Why events could not be applied."""
        return [row["reason"] for row in await self.query("SELECT reason FROM dead_letters ORDER BY id")]

    async def obligations(self, result: UUID) -> dict[tuple[int, UUID], Any]:
        """The obligations of a result by version and recipient."""
        rows = await self.query("SELECT * FROM obligations WHERE result_id = $1", result)
        return {(row["value_revision"], row["recipient_id"]): row for row in rows}

    async def states(self, result: UUID, version: int = 1) -> dict[UUID, tuple[str, str]]:
        """Route and state by recipient of one version."""
        return {
            person: (row["route"], row["state"])
            for (number, person), row in (await self.obligations(result)).items()
            if number == version
        }

    async def published(self, kind: type[Event]) -> list[Any]:
        """The publisher's own events of a kind, in order."""
        rows = await self.query("SELECT payload FROM outbox WHERE type = $1 ORDER BY id", kind.TOPIC)
        return [EVENTS[kind.TOPIC].from_json(row["payload"]) for row in rows]

    async def ledger(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The school's ledger entries, all or of one kind."""
        rows = await self.query("SELECT entry::jsonb AS entry FROM ledger ORDER BY school_id, seq")
        return [row["entry"] for row in rows if kind is None or row["entry"]["kind"] == kind]

    async def asked_for_paper(self) -> list[ExtractRequested]:
        """Lets the paper loop work until nothing is left, and returns the requests that it made."""
        before = len(await self.published(ExtractRequested))
        rounds = 0
        while await self.deadlines.ask_for_paper():
            rounds += 1
            assert rounds < 100, "the paper loop never comes to an end"
        return (await self.published(ExtractRequested))[before:]


def versions(request: ExtractRequested) -> set[tuple[UUID, int]]:
    """What stands on a request."""
    return {(item.result_id, item.value_revision) for item in request.items}


def version(result: UUID, number: int = 1) -> ResultVersion:
    """A version of a result."""
    return ResultVersion(result_id=result, value_revision=number)
