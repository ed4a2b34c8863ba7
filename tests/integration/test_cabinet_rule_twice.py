"""The rule stands twice, in Python and in the database's policies: both decide every generated case alike."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chassis.database import DISTRICT, Connection, Database
from contracts.values import Decision
from services.cabinet.domain import (
    Access,
    Consent,
    Heartbeat,
    ResultVersion,
    Rules,
    Student,
    access,
    consents_fresh,
    majority_at,
    shown,
)
from services.cabinet.queries.reading import READER_ROLE

Databases = Callable[[str], Awaitable[Database]]
RULES = Rules()
ZONES = ("Europe/Moscow", "Asia/Vladivostok", "Europe/Kaliningrad")
TICK = timedelta(microseconds=1)
# Relative to the moment of reading. What opens is drawn more often than what closes: else nearly all would be closed.
INSTANTS = st.sampled_from([timedelta(days=-30), timedelta(days=-30), -TICK, timedelta(0), TICK, timedelta(hours=1)])
YES_MOSTLY = st.sampled_from([True, True, True, False])
NO_MOSTLY = st.sampled_from([False, False, False, True])
DECISIONS = st.sampled_from([Decision.GIVEN, Decision.GIVEN, Decision.GIVEN, *Decision])


@dataclass(frozen=True)
class Authority:
    representative: int
    in_force: bool


@dataclass(frozen=True)
class Answer:
    """`who` is a representative's number, or -1 for the student."""

    who: int
    cabinet: Decision
    effective: timedelta


@dataclass(frozen=True)
class Value:
    result: int
    revision: int
    held: bool
    due: timedelta
    withdrawn: bool


@dataclass(frozen=True)
class Case:
    zone: str
    days_to_birthday: int | None
    """Days from today to the eighteenth birthday."""
    authorities: list[Authority]
    answers: list[Answer]
    values: list[Value]


CASES = st.builds(
    Case,
    zone=st.sampled_from(ZONES),
    days_to_birthday=st.one_of(st.none(), st.integers(-2, 2), st.just(2000)),
    authorities=st.lists(
        st.builds(Authority, st.integers(0, 2), YES_MOSTLY),
        min_size=1,
        max_size=3,
        unique_by=lambda item: item.representative,
    ),
    answers=st.lists(
        st.builds(Answer, st.integers(-1, 2), DECISIONS, INSTANTS),
        min_size=1,
        max_size=4,
        unique_by=lambda item: item.who,
    ),
    values=st.lists(
        st.builds(Value, st.integers(0, 1), st.integers(1, 3), st.booleans(), INSTANTS, NO_MOSTLY),
        min_size=1,
        max_size=5,
        unique_by=lambda item: (item.result, item.revision),
    ),
)
PLAIN = Case(
    zone=ZONES[0],
    days_to_birthday=2000,
    authorities=[Authority(0, in_force=True)],
    answers=[Answer(0, Decision.GIVEN, timedelta(days=-30))],
    values=[Value(0, 1, held=False, due=timedelta(0), withdrawn=False)],
)
"""A family to whom a result is shown, whenever the view of consents is fresh: in every example."""
BEATS = st.one_of(
    st.just([1.0] * 3),
    st.just([1.0] * 3),
    st.sampled_from([[1.0, 2.0, 59.999999], [1.0, 2.0, 60.0], [1.0, 2.0, 60.000001], [60.0] * 3]),
    st.lists(st.sampled_from([0.0, 60.0, 60.000001, 300.0]), max_size=4),
)


class Told:
    """A case written into the database, and kept for the pure rule."""

    def __init__(self, case: Case, now: datetime) -> None:
        self.now = now
        self.people = [uuid4() for _ in range(3)]
        self.student_id = uuid4()
        self.case = case
        self.birth_date = _birth_date(case, now)
        self.results = [uuid4(), uuid4()]

    def person(self, number: int) -> UUID:
        return self.student_id if number < 0 else self.people[number]

    def readers(self) -> list[UUID]:
        return [*self.people, self.student_id, uuid4()]

    def versions(self) -> list[ResultVersion]:
        return [
            ResultVersion(
                self.results[item.result],
                item.revision,
                self.student_id,
                item.held,
                self.now + item.due,
                item.withdrawn,
            )
            for item in self.case.values
        ]

    def by_the_pure_rule(self, me: UUID, *, fresh: bool) -> set[tuple[UUID, int]]:
        authorities = frozenset(self.people[a.representative] for a in self.case.authorities if a.in_force)
        student = Student(self.student_id, self.birth_date, self.case.zone, authorities)
        consents = [
            Consent(self.person(item.who), self.student_id, item.cabinet, self.now + item.effective)
            for item in self.case.answers
        ]
        if access(me, student, consents, fresh=fresh, now=self.now, rules=RULES) is not Access.OPEN:
            return set()
        return {(item.result_id, item.value_revision) for item in shown(self.versions(), self.now)}


def _birth_date(case: Case, now: datetime) -> date | None:
    if case.days_to_birthday is None:
        return None
    birthday = now.date() + timedelta(days=case.days_to_birthday)
    day = 28 if (birthday.month, birthday.day) == (2, 29) else birthday.day
    return date(birthday.year - 18, birthday.month, day)


async def _write(conn: Connection, told: Told) -> None:
    case, school_id = told.case, uuid4()
    await conn.execute("INSERT INTO schools VALUES ($1, 1, 'x', $2)", school_id, case.zone)
    await conn.execute(
        "INSERT INTO persons VALUES ($1, 1, 'x', 'y', '', $2, $3)", told.student_id, told.birth_date, school_id
    )
    for authority in case.authorities:
        await conn.execute(
            "INSERT INTO representations VALUES ($1, $2, 'parent', $3, now())",
            told.student_id,
            told.people[authority.representative],
            authority.in_force,
        )
    for answer in case.answers:
        await conn.execute(
            "INSERT INTO consents VALUES ($1, 1, $2, $3, $4, $5, now(), $6, CASE WHEN $5 = 'given' THEN now() END)",
            uuid4(),
            told.person(answer.who),
            told.student_id,
            school_id,
            answer.cabinet.value,
            told.now + answer.effective,
        )
    for version, value in zip(told.versions(), case.values, strict=True):
        await _write_version(conn, version, value, school_id)


async def _write_version(conn: Connection, version: ResultVersion, value: Value, school_id: UUID) -> None:
    await conn.execute(
        """
        INSERT INTO results (result_id, value_revision, revision, school_id, student_id, kind, subject_id,
            subject_title, state, held, obtained_at, due_at, recorded_at, projected_at)
        VALUES ($1, $2, $2, $3, $4, 'oge', $3, 's', $5, $6, now(), $7, now(), now())
        """,
        version.result_id,
        version.value_revision,
        school_id,
        version.student_id,
        "withdrawn" if value.withdrawn else "set",
        version.held,
        version.due_at,
    )


async def _by_the_database(conn: Connection, me: UUID) -> set[tuple[UUID, int]]:
    await conn.execute(
        "SELECT set_config('sutki.scope', 'reader', true), set_config('sutki.reader_id', $1, true)", str(me)
    )
    rows = await conn.fetch("SELECT result_id, value_revision FROM shown_results")
    return {(row["result_id"], row["value_revision"]) for row in rows}


class _RolledBack(Exception):  # noqa: N818
    pass


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(cases=st.lists(CASES, min_size=1, max_size=4), ages=BEATS)
async def test_the_policies_and_the_pure_rule_decide_alike(
    rule_database: Database, cases: list[Case], ages: list[float]
) -> None:
    with suppress(_RolledBack):
        async with rule_database.transaction(DISTRICT) as conn:
            await _compare(conn, [PLAIN, *cases], ages)
            raise _RolledBack


async def _compare(conn: Connection, cases: list[Case], ages: list[float]) -> None:
    now: datetime = (await conn.fetchval("SELECT now()")).astimezone(UTC)
    beats = [Heartbeat(number, now - timedelta(seconds=age), 3) for number, age in enumerate(ages)]
    for beat in beats:
        await conn.execute(
            "INSERT INTO consent_freshness VALUES ($1, $2, $3)", beat.partition, beat.as_of, beat.partitions
        )
    told = [Told(case, now) for case in cases]
    for item in told:
        await _write(conn, item)
    await conn.execute(f"SET LOCAL ROLE {READER_ROLE}")
    fresh = consents_fresh(beats, now, RULES)
    for item in told:
        for me in item.readers():
            assert await _by_the_database(conn, me) == item.by_the_pure_rule(me, fresh=fresh)


@pytest.fixture
async def rule_database(service_database: Databases) -> Database:
    return await service_database("cabinet")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(born=st.dates(date(1990, 1, 1), date(2020, 12, 31)), zone=st.sampled_from(ZONES), years=st.integers(14, 25))
@example(born=date(2008, 2, 29), zone="Europe/Moscow", years=18)
@example(born=date(2008, 2, 29), zone="Europe/Moscow", years=20)
async def test_majority_is_the_same_instant_in_both(rule_database: Database, born: date, zone: str, years: int) -> None:
    async with rule_database.transaction(DISTRICT) as conn:
        found: Any = await conn.fetchval("SELECT majority_at($1, $2, $3)", born, zone, years)
    assert found == majority_at(born, zone, years)
