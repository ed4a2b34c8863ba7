"""What a journal may state, and what exactly is wrong with what it may not."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.gradebook.records import (
    MODELS,
    ExamResultRecord,
    FinalGradeRecord,
    GroupRecord,
    MarkRecord,
    PeriodRecord,
    PersonRecord,
    Record,
    RecordKind,
    RepresentativeRecord,
    SchoolRecord,
    from_text,
    required_fields,
)
from services.gradebook.rejections import TEXTS, Code, Fault, faults_of, text

GRADE = {
    "result_id": "g1",
    "student_id": "s1",
    "subject_id": "alg",
    "period_id": "q1",
    "value": "4",
    "obtained_at": "2026-10-23T14:00:00+03:00",
    "held": "false",
}
MARK = {
    "mark_id": "m1",
    "student_id": "s1",
    "subject_id": "alg",
    "lesson_on": "2026-10-12",
    "work_type": "control_work",
    "weight": "2",
    "value": "5",
}
EXAM = {
    "result_id": "e1",
    "student_id": "s1",
    "subject_id": "alg",
    "kind": "oge",
    "title": "ОГЭ",
    "score": "22,5",
    "max_score": "31",
    "obtained_at": "2026-06-10T09:00:00Z",
}
PERIOD = {
    "period_id": "q1",
    "school_id": "1",
    "kind": "quarter",
    "number": "1",
    "school_year": "2026-2027",
    "starts_on": "2026-09-01",
    "ends_on": "2026-10-25",
}
GROUP = {"group_id": "7a", "school_id": "1", "kind": "class", "name": "7А", "grade_level": "07"}


def faults(model: type[Record], fields: dict[str, Any]) -> list[Fault]:
    """What is wrong with it."""
    with pytest.raises(ValidationError) as caught:
        from_text(model, fields)
    return faults_of(caught.value)


def test_a_final_grade_is_read_with_its_instant_in_utc() -> None:
    grade = from_text(FinalGradeRecord, GRADE)
    assert isinstance(grade, FinalGradeRecord)
    assert grade.obtained_at == datetime(2026, 10, 23, 11, 0, tzinfo=UTC)
    assert (grade.value, grade.held, grade.active) == ("4", False, True)


@pytest.mark.parametrize("value", ["6", "0", "4+", "пять", "5.0", "-1"])
def test_a_grade_outside_the_scale_is_named_so(value: str) -> None:
    assert faults(FinalGradeRecord, GRADE | {"value": value}) == [Fault("value", Code.OUTSIDE_SCALE)]


@pytest.mark.parametrize("code", ["н", "б", "у", "оп", "н/а", "осв"])
def test_absences_and_final_only_values_are_no_marks(code: str) -> None:
    assert faults(MarkRecord, MARK | {"value": code}) == [Fault("value", Code.OUTSIDE_SCALE)]


@pytest.mark.parametrize(
    "instant", ["2026-10-23", "2026-10-23T14:00:00", "1761217200", "23.10.2026 14:00", "2026-10-23T25:00:00+03:00", "T"]
)
def test_an_instant_without_its_offset_is_refused(instant: str) -> None:
    assert faults(FinalGradeRecord, GRADE | {"obtained_at": instant}) == [Fault("obtained_at", Code.BAD_INSTANT)]


@pytest.mark.parametrize(
    "day", ["12.10.2026", "20261012", "2026-13-01", "1760227200", "2026-10-12T00:00:00", "0001-01-01"]
)
def test_a_date_has_one_form(day: str) -> None:
    assert faults(MarkRecord, MARK | {"lesson_on": day}) == [Fault("lesson_on", Code.BAD_DATE)]


def test_a_blank_field_counts_as_absent() -> None:
    assert faults(FinalGradeRecord, GRADE | {"value": ""}) == [Fault("value", Code.MISSING_VALUE)]
    assert faults(MarkRecord, MARK | {"student_id": ""}) == [Fault("student_id", Code.MISSING_VALUE)]


def test_a_withdrawn_grade_needs_no_value() -> None:
    assert not from_text(FinalGradeRecord, GRADE | {"value": "", "state": "withdrawn"}).active


@pytest.mark.parametrize("spelling", ["true", "да", "Да", "1", "TRUE"])
def test_a_hold_may_be_said_in_russian(spelling: str) -> None:
    grade = from_text(FinalGradeRecord, GRADE | {"held": spelling})
    assert isinstance(grade, FinalGradeRecord)
    assert grade.held


def test_a_hold_that_is_neither_yes_nor_no_is_refused() -> None:
    assert faults(FinalGradeRecord, GRADE | {"held": "может быть"}) == [Fault("held", Code.BAD_VALUE)]


def test_numbers_may_have_a_comma_and_are_stored_alike() -> None:
    exam = from_text(ExamResultRecord, EXAM)
    assert isinstance(exam, ExamResultRecord)
    assert exam.exact_score() == (Decimal("22.5"), Decimal(31))
    assert [str(number) for number in exam.exact_score()] == ["22.5", "31"]
    same = from_text(ExamResultRecord, EXAM | {"score": "22.50", "max_score": "31.0"})
    assert isinstance(same, ExamResultRecord)
    assert [str(number) for number in same.exact_score()] == ["22.5", "31"]


def test_a_round_score_is_not_written_with_an_exponent() -> None:
    exam = from_text(ExamResultRecord, EXAM | {"score": "100", "max_score": "100.0"})
    assert isinstance(exam, ExamResultRecord)
    assert [str(number) for number in exam.exact_score()] == ["100", "100"]


def test_a_score_above_its_maximum_is_outside_the_scale() -> None:
    assert faults(ExamResultRecord, EXAM | {"score": "32"}) == [Fault("score", Code.OUTSIDE_SCALE)]


def test_an_exam_result_says_a_score_or_a_grade() -> None:
    assert faults(ExamResultRecord, EXAM | {"score": ""}) == [Fault("score", Code.MISSING_VALUE)]
    assert from_text(ExamResultRecord, EXAM | {"score": "", "grade": "5"}).active


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "1e9"])
def test_a_score_is_a_number_of_a_sensible_size(number: str) -> None:
    assert [fault.field for fault in faults(ExamResultRecord, EXAM | {"score": number})] == ["score"]


@pytest.mark.parametrize(("weight", "kept"), [("2", "2.00"), ("0,5", "0.50"), ("", "1.00")])
def test_a_weight_has_two_decimals(weight: str, kept: str) -> None:
    mark = from_text(MarkRecord, MARK | {"weight": weight})
    assert isinstance(mark, MarkRecord)
    assert str(mark.exact_weight()) == kept


@pytest.mark.parametrize("weight", ["0", "-1", "11", "0.001", "много"])
def test_a_weight_outside_its_bounds_is_refused(weight: str) -> None:
    assert faults(MarkRecord, MARK | {"weight": weight}) == [Fault("weight", Code.BAD_VALUE)]


def test_a_period_fits_together() -> None:
    period = from_text(PeriodRecord, PERIOD)
    assert isinstance(period, PeriodRecord)
    assert (period.school_year, period.starts_on) == ("2026/2027", date(2026, 9, 1))
    assert faults(PeriodRecord, PERIOD | {"ends_on": "2026-08-01"}) == [Fault("ends_on", Code.BAD_DATE)]
    assert faults(PeriodRecord, PERIOD | {"kind": "half_year", "number": "3"}) == [Fault("number", Code.BAD_VALUE)]
    assert faults(PeriodRecord, PERIOD | {"school_year": "2026/2028"}) == [Fault("school_year", Code.BAD_VALUE)]


def test_a_class_has_a_name_that_fits_on_paper_and_a_grade_level() -> None:
    group = from_text(GroupRecord, GROUP)
    assert isinstance(group, GroupRecord)
    assert group.grade_level == 7
    assert faults(GroupRecord, GROUP | {"name": "А" * 51}) == [Fault("name", Code.BAD_VALUE)]
    assert faults(GroupRecord, GROUP | {"grade_level": "12"}) == [Fault("grade_level", Code.BAD_VALUE)]


def test_a_school_has_a_time_zone_that_exists() -> None:
    assert from_text(SchoolRecord, {"school_id": "1", "name": "Школа"}).active
    wrong = {"school_id": "1", "name": "Школа", "time_zone": "Europe/Mosсow"}
    assert faults(SchoolRecord, wrong) == [Fault("time_zone", Code.BAD_VALUE)]


def test_nobody_represents_themself() -> None:
    fields = {"representative_id": "p1", "student_id": "p1", "kind": "parent", "in_force": "true"}
    assert faults(RepresentativeRecord, fields) == [Fault("representative_id", Code.BAD_VALUE)]


def test_a_person_in_two_roles_is_two_records() -> None:
    fields = {"person_id": "p1", "family": "Образцова", "given": "Мария", "school_id": "1"}
    keys = {from_text(PersonRecord, fields | {"role": role}).key() for role in ("teacher", "representative")}
    assert len(keys) == 2


@pytest.mark.parametrize("name", ["Ива\x00нов", "Ива\nнов", "", "   ", "И" * 501])
def test_a_name_is_one_line_of_text(name: str) -> None:
    fields = {"person_id": "p1", "role": "student", "family": name, "given": "Анна", "school_id": "1"}
    assert [fault.field for fault in faults(PersonRecord, fields)] == ["family"]


def test_a_misspelt_field_is_refused_where_a_program_sends_it() -> None:
    with pytest.raises(ValidationError) as caught:
        FinalGradeRecord.model_validate(GRADE | {"hold": "true"}, extra="forbid")
    assert faults_of(caught.value) == [Fault("hold", Code.UNKNOWN_FIELD)]


def test_leaving_out_the_column_of_the_hold_is_not_the_same_as_not_holding() -> None:
    assert "held" in required_fields(FinalGradeRecord)
    assert "in_force" in required_fields(RepresentativeRecord)
    assert "address" not in required_fields(SchoolRecord)


def test_every_code_has_a_text_in_both_languages() -> None:
    assert set(TEXTS) == set(Code)
    assert all(text(code, "ru") and text(code, "en") for code in Code)
    assert not any(
        letter in text(code, "en").replace("зач", "").replace("не", "").replace("н/а", "").replace("осв", "")
        for code in Code
        for letter in "абвгдежз"
    )


def outcome(model: type[Record], fields: dict[str, Any], extra: Any = "ignore") -> Record | list[Fault]:
    """The record, or what is wrong with it."""
    try:
        return model.model_validate(fields, extra=extra)
    except ValidationError as error:
        return faults_of(error)


@given(kind=st.sampled_from(list(RecordKind)), fields=st.dictionaries(st.text(max_size=12), st.text(max_size=40)))
def test_no_text_makes_a_record_fail_with_anything_but_its_faults(kind: RecordKind, fields: dict[str, str]) -> None:
    model = MODELS[kind]
    named = dict(zip(model.model_fields, fields.values(), strict=False))
    found = outcome(model, fields | named)
    assert found.key() if isinstance(found, Record) else all(isinstance(fault.code, Code) for fault in found)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=2)))
def test_no_json_value_makes_a_record_fail_with_anything_but_its_faults(value: Any) -> None:
    for model in MODELS.values():
        for name in model.model_fields:
            assert outcome(model, {name: value}, extra="forbid")
