"""What one person reads, as the role `sutki_cabinet_reader`, whose policies enforce the rules whatever is asked."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.values import Decision
from services.cabinet.domain import Access, Consent, Rules, Span, Student, access

READER_ROLE = "sutki_cabinet_reader"


@dataclass(frozen=True)
class Child:
    """A student as the head of a page shows them, and whether the page is open."""

    student_id: UUID
    family: str
    given: str
    patronymic: str
    class_name: str
    grade_level: int | None
    school_name: str
    time_zone: str
    access: Access
    begins_at: datetime | None
    """For consent that begins later: when."""
    is_reader: bool
    read_at: datetime
    """The instant for which all this holds."""

    @property
    def name(self) -> str:
        """As it is spoken: given name and family name."""
        return f"{self.given} {self.family}"


_READABLE = """
SELECT p.person_id AS student_id, p.family, p.given, p.patronymic, p.birth_date,
    coalesce(p.class_name, '') AS class_name, p.grade_level, coalesce(p.school_name, '') AS school_name,
    coalesce(p.time_zone, 'Europe/Moscow') AS time_zone,
    ARRAY(
        SELECT r.representative_id FROM representations AS r WHERE r.student_id = p.person_id AND r.in_force
    ) AS representatives,
    ARRAY(SELECT c.representative_id FROM consents AS c WHERE c.student_id = p.person_id ORDER BY c.consent_id)
        AS deciders,
    ARRAY(SELECT c.cabinet FROM consents AS c WHERE c.student_id = p.person_id ORDER BY c.consent_id) AS decisions,
    ARRAY(SELECT c.effective_from FROM consents AS c WHERE c.student_id = p.person_id ORDER BY c.consent_id) AS begins,
    (SELECT consent_view_is_fresh(now() + clock_shift())) AS fresh, now() + clock_shift() AS now,
    u.consent_stale_after_seconds, u.majority_age_years
FROM (
    SELECT r.student_id AS person_id FROM representations AS r WHERE r.representative_id = $1 AND r.in_force
    UNION SELECT $1
) AS mine
JOIN students AS p ON p.person_id = mine.person_id
CROSS JOIN reading_rules AS u
WHERE $2::uuid IS NULL OR p.person_id = $2
ORDER BY p.person_id <> $1, p.birth_date DESC NULLS LAST, p.family, p.given, p.person_id
"""


async def children(conn: Connection, reader_id: UUID, student_id: UUID | None = None) -> list[Child]:
    """Whom the reader represents, and the reader if ever a student; the reader first, then the youngest child.

    Args:
        conn: a transaction of the reader's scope and role.
        reader_id: who reads.
        student_id: only this one; whoever is not the reader's gives an empty list.
    """
    return [_child(row, reader_id) for row in await conn.fetch(_READABLE, reader_id, student_id)]


def _child(row: Any, reader_id: UUID) -> Child:
    student = Student(row["student_id"], row["birth_date"], row["time_zone"], frozenset(row["representatives"]))
    answers = zip(row["deciders"], row["decisions"], row["begins"], strict=True)
    consents = [Consent(who, student.student_id, Decision(what), since) for who, what, since in answers]
    rules = Rules(timedelta(seconds=row["consent_stale_after_seconds"]), row["majority_age_years"])
    verdict = access(reader_id, student, consents, fresh=row["fresh"], now=row["now"], rules=rules)
    own = [c.effective_from for c in consents if c.representative_id == reader_id and c.cabinet is Decision.GIVEN]
    return Child(
        student_id=student.student_id,
        family=row["family"],
        given=row["given"],
        patronymic=row["patronymic"],
        class_name=row["class_name"],
        grade_level=row["grade_level"],
        school_name=row["school_name"],
        time_zone=row["time_zone"],
        access=verdict,
        begins_at=min(own) if own and verdict is Access.NOT_YET else None,
        is_reader=student.student_id == reader_id,
        read_at=row["now"],
    )


@dataclass(frozen=True)
class Mark:
    """One mark as it is shown."""

    mark_id: UUID
    student_id: UUID
    subject_id: UUID
    subject_title: str
    lesson_on: date
    work_type: str
    weight: Decimal
    value: str
    recorded_at: datetime


_MARK_COLUMNS = "mark_id, student_id, subject_id, subject_title, lesson_on, work_type, weight, value, recorded_at"
_MARKS = f"""
SELECT {_MARK_COLUMNS} FROM marks
WHERE student_id = $1 AND lesson_on BETWEEN $2 AND $3 AND NOT withdrawn
ORDER BY lesson_on DESC, subject_title, recorded_at, mark_id
"""


async def marks(conn: Connection, student_id: UUID, span: Span) -> list[Mark]:
    """A student's marks of some days, the newest day first."""
    return [Mark(*row) for row in await conn.fetch(_MARKS, student_id, span.first, span.last)]


_NEW_MARKS = f"""
SELECT {_MARK_COLUMNS} FROM marks
WHERE lesson_on > (now() + clock_shift())::date - 60 AND recorded_at > now() + clock_shift() - $1::interval
    AND NOT withdrawn
ORDER BY lesson_on DESC, recorded_at DESC, mark_id
"""


async def new_marks(conn: Connection, within: timedelta) -> list[Mark]:
    """Marks that the journal took within this time for lessons of the last two months, of all of the reader's."""
    return [Mark(*row) for row in await conn.fetch(_NEW_MARKS, within)]


@dataclass(frozen=True)
class Result:
    """One final grade or exam result as it is shown."""

    result_id: UUID
    value_revision: int
    student_id: UUID
    kind: str
    subject_id: UUID
    subject_title: str
    title: str | None
    period_kind: str | None
    period_number: int | None
    school_year: str | None
    period_starts_on: date | None
    period_ends_on: date | None
    state: str
    grade: str | None
    score: Decimal | None
    max_score: Decimal | None
    deferred_until: date | None
    obtained_at: datetime
    visible_at: datetime

    @property
    def is_final_grade(self) -> bool:
        """A grade of a period, as against an exam or a competition."""
        return self.kind == "final_grade"


_RESULT_COLUMNS = """result_id, value_revision, student_id, kind, subject_id, subject_title, title, period_kind,
    period_number, school_year, period_starts_on, period_ends_on, state, grade, score, max_score, deferred_until,
    obtained_at, greatest(projected_at, least(due_at, released_at)) AS visible_at"""
_RESULTS = f"""
SELECT {_RESULT_COLUMNS} FROM shown_results WHERE student_id = $1
ORDER BY subject_title, period_ends_on, obtained_at, result_id
"""


async def results(conn: Connection, student_id: UUID) -> list[Result]:
    """A student's final grades and exam results that are shown now, of all school years."""
    return [Result(*row) for row in await conn.fetch(_RESULTS, student_id)]


_NEW_RESULTS = f"""
SELECT * FROM (SELECT {_RESULT_COLUMNS} FROM shown_results) AS shown
WHERE visible_at > now() + clock_shift() - $1::interval
ORDER BY visible_at DESC, subject_title, result_id
"""


async def new_results(conn: Connection, within: timedelta) -> list[Result]:
    """What has come to be shown within this time, of all whom the reader may read about: the policies choose them."""
    return [Result(*row) for row in await conn.fetch(_NEW_RESULTS, within)]


@dataclass(frozen=True)
class ShownResult:
    """For a checker: which version of which result a read now shows, and about whom."""

    result_id: UUID
    value_revision: int
    student_id: UUID


_ALL_SHOWN = "SELECT result_id, value_revision, student_id FROM shown_results ORDER BY result_id"


async def all_shown(conn: Connection) -> list[ShownResult]:
    """Everything that the reader of this transaction would be shown; it asks for nobody, the policies alone decide."""
    return [ShownResult(*row) for row in await conn.fetch(_ALL_SHOWN)]
