"""Records of the journal as they come from files: what is understood, and what is refused with which code."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from services.gradebook.facts import Campus, next_revision
from services.gradebook.policy import DEFAULT, Policies, SchoolPolicy
from services.gradebook.records import MODELS, RecordKind, from_text
from services.gradebook.rejections import TEXTS, Code, faults_of

SLOT = {
    "slot_id": "s", "group_id": "g", "subject_id": "a", "weekday": "1", "number": "2", "valid_from": "2026-09-01",
}  # fmt: skip
HOMEWORK = {"homework_id": "d", "group_id": "g", "subject_id": "a", "assigned_on": "2026-10-12", "content": "§ 7"}
SUBSTITUTION = {"substitution_id": "u", "group_id": "g", "lesson_on": "2026-10-12", "number": "2"}
TEACHING = {"teaching_id": "w", "teacher_id": "t", "group_id": "g"}
ATTENDANCE = {"attendance_id": "a", "student_id": "s", "lesson_on": "2026-10-12"}
YEAR = {"school_year_id": "y", "school_id": "1", "starts_on": "2026-09-01", "ends_on": "2027-05-31"}
ADVICE = {"recommendation_id": "r", "given_on": "2026-10-12", "content": "Читать"}
MEMBER = {"group_id": "g", "person_id": "s"}


def read(kind: RecordKind, fields: dict[str, Any]) -> Any:
    """A record from a row."""
    return from_text(MODELS[kind], fields)


@pytest.mark.parametrize(
    ("written", "meant"), [("9:25", time(9, 25)), ("09:25", time(9, 25)), ("09:25:00", time(9, 25))]
)
def test_a_time_of_day_is_read_with_or_without_a_leading_zero(written: str, meant: time) -> None:
    assert read(RecordKind.TIMETABLE, SLOT | {"starts_at": written}).starts_at == meant


@pytest.mark.parametrize(
    ("kind", "fields", "field", "code"),
    [
        (RecordKind.TIMETABLE, SLOT | {"starts_at": "9"}, "starts_at", Code.BAD_TIME),
        (RecordKind.TIMETABLE, SLOT | {"starts_at": "9:25:30"}, "starts_at", Code.BAD_TIME),
        (RecordKind.TIMETABLE, SLOT | {"starts_at": "10:00", "ends_at": "09:00"}, "ends_at", Code.BAD_TIME),
        (RecordKind.TIMETABLE, SLOT | {"valid_to": "2026-08-31"}, "valid_to", Code.BAD_DATE),
        (RecordKind.TIMETABLE, SLOT | {"weekday": "8"}, "weekday", Code.BAD_VALUE),
        (RecordKind.TEACHING, TEACHING, "subject_id", Code.MISSING_VALUE),
        (RecordKind.TEACHING, TEACHING | {"role": "class_teacher", "subject_id": "a"}, "subject_id", Code.BAD_VALUE),
        (RecordKind.SUBSTITUTIONS, SUBSTITUTION | {"kind": "replaced"}, "new_teacher_id", Code.MISSING_VALUE),
        (RecordKind.SUBSTITUTIONS, SUBSTITUTION | {"kind": "moved"}, "moved_to_on", Code.MISSING_VALUE),
        (
            RecordKind.SUBSTITUTIONS,
            SUBSTITUTION | {"kind": "cancelled", "moved_to_on": "2026-10-13"},
            "moved_to_on",
            Code.BAD_VALUE,
        ),
        (RecordKind.HOMEWORK, HOMEWORK | {"due_on": "2026-10-11"}, "due_on", Code.BAD_DATE),
        (RecordKind.HOMEWORK, HOMEWORK | {"attachments": "javascript:alert(1)"}, "attachments", Code.BAD_VALUE),
        (RecordKind.ATTENDANCE, ATTENDANCE | {"code": "5"}, "code", Code.BAD_VALUE),
        (RecordKind.SCHOOL_YEARS, YEAR | {"school_year": "2026/2028"}, "school_year", Code.BAD_VALUE),
        (RecordKind.RECOMMENDATIONS, ADVICE, "student_id", Code.MISSING_VALUE),
        (RecordKind.MEMBERS, MEMBER | {"joined_on": "2026-10-02", "left_on": "2026-10-01"}, "left_on", Code.BAD_DATE),
    ],
)
def test_what_does_not_fit_is_refused_with_its_field_and_code(
    kind: RecordKind, fields: dict[str, Any], field: str, code: Code
) -> None:
    with pytest.raises(ValidationError) as refused:
        read(kind, fields)
    assert [(fault.field, fault.code) for fault in faults_of(refused.value)] == [(field, code)]


@pytest.mark.parametrize(
    ("written", "meant"), [("н", "absent"), ("б", "ill"), ("У", "valid_reason"), ("оп", "late"), ("absent", "absent")]
)
def test_attendance_is_read_as_the_journal_writes_it(written: str, meant: str) -> None:
    assert read(RecordKind.ATTENDANCE, ATTENDANCE | {"code": written}).code == meant


@pytest.mark.parametrize("code", ["н", "б", "у", "оп"])
def test_an_absence_code_is_no_mark(code: str) -> None:
    mark = {"mark_id": "m", "student_id": "s", "subject_id": "a", "lesson_on": "2026-10-12", "work_type": "answer"}
    with pytest.raises(ValidationError) as refused:
        read(RecordKind.MARKS, mark | {"value": code})
    assert [(fault.field, fault.code) for fault in faults_of(refused.value)] == [("value", Code.OUTSIDE_SCALE)]


def test_a_list_in_a_cell_is_parted_by_vertical_bars() -> None:
    homework = read(
        RecordKind.HOMEWORK,
        HOMEWORK | {"student_ids": "s1 | s2|", "attachments": "Карточка № 2 https://a.example/2|https://a.example/3"},
    )
    assert homework.student_ids == ["s1", "s2"]
    assert [(link.title, link.url) for link in homework.attachments] == [
        ("Карточка № 2", "https://a.example/2"),
        ("https://a.example/3", "https://a.example/3"),
    ]


def test_hours_may_have_halves_and_a_comma() -> None:
    fields = {"curriculum_id": "c", "group_id": "g", "subject_id": "a", "period_id": "q", "lesson_type": "practice"}
    assert read(RecordKind.CURRICULUM, fields | {"hours": "2,5"}).exact_hours() == Decimal("2.50")


def test_every_kind_has_a_model_and_every_code_two_texts() -> None:
    assert list(MODELS) == list(RecordKind)
    assert set(TEXTS) == set(Code)


def test_a_fact_that_says_the_same_or_stays_away_makes_no_revision() -> None:
    at = datetime(2026, 9, 1, tzinfo=UTC)
    campus = Campus(uuid4(), uuid4(), "d", "c", "Главное", "", None, "active", "a", at, 3)
    stated = campus._replace(changed_by="b", changed_at=at.replace(hour=5), revision=1)
    assert next_revision(campus, stated) is None
    renamed = next_revision(campus, stated._replace(title="Новое"))
    assert renamed is not None
    assert (renamed.revision, renamed.changed_by, renamed.title) == (4, "b", "Новое")
    gone = campus._replace(state="withdrawn")
    assert next_revision(gone, stated._replace(state="withdrawn", title="Иное")) is None
    assert next_revision(gone, stated) == stated._replace(revision=4)


def test_settings_hold_from_their_day_until_the_next_ones() -> None:
    first, second = SchoolPolicy(minimum_marks=4), SchoolPolicy(minimum_marks=5)
    policies = Policies([(date(2026, 9, 10), second), (date(2026, 9, 1), first)])
    found = [policies.on(date(2026, 8, 31)), policies.on(date(2026, 9, 1)), policies.on(date(2026, 9, 9))]
    assert [*found, policies.on(date(2026, 9, 10))] == [DEFAULT, first, first, second]


def test_borders_must_rise_and_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="must rise"):
        SchoolPolicy.model_validate({"borders": {"three": "3.6"}})
    with pytest.raises(ValidationError, match="extra_forbidden"):
        SchoolPolicy.model_validate({"minimun_marks": 4})
    restored = SchoolPolicy.model_validate(DEFAULT.model_dump(mode="json"))
    assert restored == DEFAULT
