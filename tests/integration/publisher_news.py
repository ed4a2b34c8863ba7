"""A district with news: builders of what is told beside results, and the loops that tell it."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

from chassis.database import DISTRICT, Database
from contracts.base import Event
from contracts.forecast_updated import Band, ForecastUpdated, Probabilities
from contracts.homework_changed import HomeworkChanged
from contracts.lesson_changed import LessonChanged
from contracts.mark_recorded import MarkRecorded
from contracts.recommendation_changed import RecommendationChanged
from contracts.study_group_changed import GroupKind, StudyGroupChanged
from contracts.substitution_changed import SubstitutionChanged
from contracts.timetable_changed import Slot, TimetableChanged
from contracts.values import LessonType, MarkValue, Subject, WorkType
from services.publisher.domain.letters import Letter, Outcome
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import Channel, Kind, Mode, Preferences, QuietHours
from services.publisher.domain.states import NotificationState
from services.publisher.falling_back import Fallback
from services.publisher.news import NewsDesk, make_news_consumer
from services.publisher.queries import notifications, preferences
from tests.integration.publisher_district import FIRST_QUARTER, District, Family

ALGEBRA = Subject(id=UUID(int=77), title="Алгебра")


class Newsroom(District):
    """The publisher with its news, whose senders are the test."""

    def __init__(self, database: Database, policy: Policy | None = None) -> None:
        super().__init__(database, policy)
        self.news_consumer = make_news_consumer(database, self.clock, self.policy)
        setattr(self.news_consumer, "_one_by_one", self._fail)  # noqa: B010 - it would hide what went wrong
        self.desk = NewsDesk(database, self.clock, self.policy)
        self.fallback = Fallback(database, self.clock, self.policy)
        self.sender_id = uuid4()

    async def report(self, *events: Event) -> None:
        """Hands news over in one batch."""
        await self.news_consumer.process([self.record(event) for event in events])

    async def subscribe(self, person: UUID) -> None:
        """A browser of a person, which pushes can reach."""
        await self.query(
            "INSERT INTO push_subscriptions (subscription_id, person_id, endpoint, endpoint_sha256, origin, p256dh,"
            " auth, created_at, confirmed_at) VALUES ($1, $2, 'https://push.example/1', sha256($3), "
            "'https://push.example', $4, $5, $6, $6) RETURNING 1",
            uuid4(),
            person,
            person.bytes,
            bytes(65),
            bytes(16),
            self.now,
        )

    async def claim(self, channel: str = "email") -> list[Letter]:
        """What a channel's sender would send now."""
        async with self.database.transaction(DISTRICT) as conn:
            letters, _ = await notifications.claim(conn, self.sender_id, self.now, 1000, self.policy, channel=channel)
        return letters

    async def settle(self, letters: list[Letter], state: NotificationState, reason: str | None = None) -> None:
        """What became of them."""
        async with self.database.transaction(DISTRICT) as conn:
            outcomes = [Outcome(letter, state, reason, 60) for letter in letters]
            assert await notifications.settle(conn, self.sender_id, outcomes, self.now, self.policy) == {
                letter.notification_id for letter in letters
            }

    async def sent(self, channel: str = "email") -> list[Letter]:
        """Sends what is due on a channel."""
        letters = await self.claim(channel)
        await self.settle(letters, NotificationState.SENT)
        return letters

    async def digested(self) -> None:
        """Lets the digests be made that are due."""
        while await self.desk.make_digests():
            pass

    async def told_at_once(self) -> None:
        """Lets news be told to those who want them at once."""
        while await self.desk.tell_at_once():
            pass

    async def fall(self) -> None:
        """Lets failed messages fall."""
        while await self.fallback.fall():
            pass

    async def choose(
        self,
        family: Family,
        modes: dict[tuple[Kind, Channel], Mode] | None = None,
        *,
        person: UUID | None = None,
        quiet: QuietHours | None = None,
        **hours: Any,
    ) -> None:
        """What the mother (or somebody else) prefers from now on."""
        async with self.database.transaction(DISTRICT) as conn:
            chosen = Preferences(modes or {}, quiet, **hours)
            await preferences.keep(conn, (family.student, person or family.mother), chosen, self.now)

    async def to_local(self, hour: int, minute: int = 0, *, days: int = 0) -> None:
        """Moves the clock to a time of Moscow's, today or some days later."""
        wanted = (self.now + timedelta(hours=3)).replace(hour=hour, minute=minute, second=0, microsecond=0)
        await self.advance(wanted - timedelta(hours=3) + timedelta(days=days) - self.now)

    # Builders

    def group(self, group: UUID, *members: UUID, revision: int = 1, state: Literal["open", "closed"] = "open") -> Event:
        """A class with its members."""
        return StudyGroupChanged(
            revision=revision,
            group_id=group,
            school_id=self.school_id,
            kind=GroupKind.CLASS,
            name="7А",
            grade_level=7,
            member_ids=list(members),
            state=state,
            changed_at=self.now,
        )

    def mark(
        self,
        family: Family,
        mark: UUID,
        value: MarkValue = "5",
        *,
        revision: int = 1,
        state: Literal["recorded", "withdrawn"] = "recorded",
        at: datetime | None = None,
    ) -> MarkRecorded:
        """A mark in algebra."""
        return MarkRecorded(
            revision=revision,
            mark_id=mark,
            school_id=self.school_id,
            student_id=family.student,
            subject=ALGEBRA,
            lesson_on=date(2026, 10, 23),
            work_type=WorkType.ANSWER,
            weight=Decimal(1),
            value=value,
            state=state,
            recorded_at=at or self.now,
        )

    def homework(self, group: UUID, homework: UUID, text: str = "§ 7", *only: UUID, revision: int = 1) -> Event:
        """Homework of a group."""
        return HomeworkChanged(
            revision=revision,
            homework_id=homework,
            school_id=self.school_id,
            group_id=group,
            for_student_ids=list(only),
            subject=ALGEBRA,
            assigned_on=date(2026, 10, 23),
            due_on=date(2026, 10, 26),
            text=text,
            state="assigned",
            changed_at=self.now,
        )

    def advice(self, family: Family, text: str = "Повторить дроби.") -> Event:
        """A recommendation."""
        return RecommendationChanged(
            revision=1,
            recommendation_id=uuid4(),
            school_id=self.school_id,
            student_id=family.student,
            group_id=None,
            author_id=None,
            on=date(2026, 10, 23),
            kind="recommendation",
            text=text,
            state="given",
            changed_at=self.now,
        )

    def forecast(self, family: Family, *, revision: int = 1, marks: int = 5) -> Event:
        """A forecast in algebra."""
        return ForecastUpdated(
            revision=revision,
            school_id=self.school_id,
            student_id=family.student,
            subject=ALGEBRA,
            period=FIRST_QUARTER,
            probabilities=Probabilities(p2=0, p3=0.2, p4=0.7, p5=0.1),
            leading="4",
            band=Band.LIKELY,
            marks_counted=marks,
            computed_at=self.now,
        )

    def substitution(
        self,
        group: UUID,
        substitution: UUID,
        on: date,
        *,
        revision: int = 1,
        state: Literal["announced", "revoked"] = "announced",
    ) -> Event:
        """A lesson that is not held."""
        return SubstitutionChanged(
            revision=revision,
            substitution_id=substitution,
            school_id=self.school_id,
            group_id=group,
            on=on,
            number=2,
            subject=ALGEBRA,
            kind="cancelled",
            state=state,
            changed_at=self.now,
        )

    def lesson(
        self,
        group: UUID,
        lesson: UUID,
        on: date,
        state: Literal["planned", "held", "cancelled", "withdrawn"],
        *,
        revision: int = 1,
    ) -> Event:
        """A dated lesson."""
        return LessonChanged(
            revision=revision,
            lesson_id=lesson,
            school_id=self.school_id,
            group_id=group,
            subject=ALGEBRA,
            on=on,
            number=2,
            type=LessonType.PRACTICE,
            state=state,
            changed_at=self.now,
        )

    def timetable(self, group: UUID, *slots: tuple[int, int, str], revision: int = 1) -> Event:
        """A weekly timetable of weekday, number and subject."""
        return TimetableChanged(
            revision=revision,
            group_id=group,
            school_id=self.school_id,
            slots=[
                Slot(
                    slot_id=uuid4(),
                    weekday=weekday,
                    number=number,
                    subject=Subject(id=uuid4(), title=subject),
                    valid_from=date(2026, 9, 1),
                )
                for weekday, number, subject in slots
            ],
            changed_at=self.now,
        )
