"""Facts to records: who is meant, ids from content, and when a grade came to be."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from services.gradebook.exchange.mapped.adapted import Adapted
from services.gradebook.exchange.mapped.adapting import Adapter
from services.gradebook.exchange.mapped.directory import Directory, KnownPeriod, KnownPerson, StatedFinal
from services.gradebook.exchange.mapped.facts import (
    Absence,
    Adult,
    Fact,
    Final,
    Homework,
    Mark,
    Place,
    PlannedHours,
    Pupil,
    Student,
    TimetableEntry,
    Understood,
)
from services.gradebook.exchange.mapped.mapping import Map, load_map, parse_map
from services.gradebook.exchange.mapped.words import PeriodName
from services.gradebook.exchange.report import Rejection
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code, Fault

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
PLACE = Place("Лист1", "C7", 7)
DIRECTORY = Directory(
    UUID(int=1),
    "school-1",
    "Europe/Moscow",
    students=[
        KnownPerson("s1", "Иванов", "Иван", "Петрович", frozenset({"7а"})),
        KnownPerson("s2", "Иванов", "Иван", "Сергеевич", frozenset({"7а"})),
        KnownPerson("s3", "Иванов", "Илья", "", frozenset({"7б"})),
        KnownPerson("s4", "Алёхина", "Анна", "", frozenset({"7а"})),
    ],
    teachers=[KnownPerson("t1", "Орлова", "Нина", "Львовна")],
    adults={"s4": [KnownPerson("a1", "Алёхина", "Ольга", "")]},
    subjects={"алгебра": "alg", "русский язык": "rus"},
    classes={"7а": ["g7a"], "7б": ["g7b"], "8а": ["x", "y"]},
    periods={("quarter", 1, "2026/2027"): KnownPeriod("q1", date(2026, 9, 1), date(2026, 10, 25))},
)


def adapt(*facts: Fact, rules: Map | None = None, stated: dict[str, StatedFinal] | None = None) -> Adapted:
    understood = Understood("map", "file.xlsx", "xlsx", facts=list(facts))
    return Adapter(rules or load_map("class-progress"), DIRECTORY, NOW, stated).adapt(understood)


def mark(value: str = "5", ordinal: int = 1, **more: object) -> Mark:
    fields: dict[str, object] = {"student": Student("Алехина Анна", "", "7A"), "subject": "Алгебра"}
    return Mark(PLACE, day=date(2026, 9, 2), ordinal=ordinal, value=value, **(fields | more))  # type: ignore[arg-type]


def records(adapted: Adapted, kind: RecordKind) -> list[dict[str, object]]:
    return [piece.record.model_dump() for piece in adapted.pieces(kind) if not isinstance(piece, Rejection)]


def rejections(adapted: Adapted) -> list[tuple[str, Code]]:
    return [
        (piece.field, piece.code)
        for kind in adapted.kinds()
        for piece in adapted.pieces(kind)
        if isinstance(piece, Rejection)
    ]


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        (Student("Алехина Анна", "", "7А"), "s4"),
        (Student("АЛЁХИНА А.", "", "7-a"), "s4"),
        (Student("Алёхина Анна Викторовна", "", ""), "s4"),
        (Student("Иванов Иван Петрович", "", "7А"), "s1"),
        (Student("Иванов И. С.", "", "7А"), "s2"),
        (Student("Иванов Илья", "", ""), "s3"),
        (Student("", "s2", "9Я"), "s2"),
        (Student("Иванов Иван", "", "7А"), Code.AMBIGUOUS_STUDENT),
        (Student("Иванов И.", "", ""), Code.AMBIGUOUS_STUDENT),
        (Student("Иванов Илья", "", "7А"), Code.UNKNOWN_STUDENT),
        (Student("Петров Иван", "", "7А"), Code.UNKNOWN_STUDENT),
        (Student("Иванов", "", "7А"), Code.UNKNOWN_STUDENT),
        (Student("", "s9", ""), Code.UNKNOWN_STUDENT),
        (Student("Иванов Иван Петрович", "", "семь"), Code.UNKNOWN_CLASS),
    ],
)
def test_a_student_is_found_or_nobody_is_taken(student: Student, expected: str | Code):
    found = DIRECTORY.student(student)
    assert (found.code if isinstance(found, Fault) else found) == expected


def test_the_same_table_again_has_the_same_ids_and_a_corrected_mark_too():
    first, again, corrected = adapt(mark()), adapt(mark()), adapt(mark("4"))
    ids = [records(adapted, RecordKind.MARKS)[0]["mark_id"] for adapted in (first, again, corrected)]
    assert len(set(ids)) == 1
    second = records(adapt(mark(ordinal=2)), RecordKind.MARKS)[0]["mark_id"]
    assert second not in ids


def test_a_mark_is_of_the_class_that_is_named_or_of_the_students_only_one():
    named, alone = mark(), mark(student=Student("Алёхина Анна"))
    groups = [row["group_id"] for row in records(adapt(named, alone), RecordKind.MARKS)]
    assert groups == ["g7a", "g7a"]


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (mark(subject="Химия"), ("subject", Code.UNKNOWN_SUBJECT)),
        (mark(student=Student("Иванов Иван", "", "7А")), ("student", Code.AMBIGUOUS_STUDENT)),
        (mark(value="9"), ("value", Code.OUTSIDE_SCALE)),
        (Homework(PLACE, "8А", "Алгебра", date(2026, 9, 2), None, "§ 1"), ("class", Code.UNKNOWN_CLASS)),
        (
            Final(PLACE, Student("Алёхина Анна"), "Алгебра", PeriodName("trimester", 1), "2026/2027", "5"),
            ("period", Code.UNKNOWN_PERIOD),
        ),
    ],
)
def test_what_the_journal_does_not_know_is_rejected_with_its_place(fact: Fact, expected: tuple[str, Code]):
    adapted = adapt(mark(), fact)
    assert rejections(adapted) == [expected]
    lines = [piece.line for kind in adapted.kinds() for piece in adapted.pieces(kind) if isinstance(piece, Rejection)]
    assert [adapted.place(line) for line in lines] == [PLACE]


def test_records_may_be_read_twice_and_are_the_same():
    facts = [Homework(PLACE, "7А", "Алгебра", date(2026, 9, 2), None, text) for text in ("§ 1", "§ 2")]
    adapted = adapt(*facts)
    assert records(adapted, RecordKind.HOMEWORK) == records(adapted, RecordKind.HOMEWORK)
    assert len({row["homework_id"] for row in records(adapted, RecordKind.HOMEWORK)}) == 2


def test_a_subject_is_made_only_where_the_map_says_so():
    rules = parse_map(
        "[map]\nname='x'\n[subjects]\ncreate=true\n[[tables]]\nrows='student'\nkey='x'\nheader={row=1}", "x.toml"
    )
    adapted = adapt(mark(subject="Химия"), mark(subject="химия", ordinal=2), mark(), rules=rules)
    assert adapted.kinds() == [RecordKind.SUBJECTS, RecordKind.MARKS]
    (made,) = records(adapted, RecordKind.SUBJECTS)
    assert made["title"] == "Химия"
    subjects = [row["subject_id"] for row in records(adapted, RecordKind.MARKS)]
    assert subjects == [made["subject_id"], made["subject_id"], "alg"]


def test_an_alias_leads_to_the_journals_subject():
    rules = parse_map(
        "[map]\nname='x'\n[subjects.aliases]\n'Рус. яз.'='Русский язык'\n"
        "[[tables]]\nrows='student'\nkey='x'\nheader={row=1}",
        "x.toml",
    )
    assert records(adapt(mark(subject="рус. яз."), rules=rules), RecordKind.MARKS)[0]["subject_id"] == "rus"


def final(value: str = "5") -> Final:
    return Final(PLACE, Student("Алёхина Анна"), "Алгебра", PeriodName("quarter", 1), "2026/2027", value)


def test_a_grade_came_to_be_when_its_period_ended_in_the_schools_own_time():
    row = records(adapt(final()), RecordKind.FINAL_GRADES)[0]
    assert row["obtained_at"] == datetime(2026, 10, 25, 21, tzinfo=UTC)
    assert row["period_id"] == "q1"


def test_the_same_grade_keeps_its_instant_and_a_corrected_one_comes_to_be_now():
    result_id = str(records(adapt(final()), RecordKind.FINAL_GRADES)[0]["result_id"])
    before = {result_id: StatedFinal("5", datetime(2026, 10, 20, tzinfo=UTC))}
    same = records(adapt(final(), stated=before), RecordKind.FINAL_GRADES)[0]
    other = records(adapt(final("4"), stated=before), RecordKind.FINAL_GRADES)[0]
    assert (same["obtained_at"], other["obtained_at"]) == (datetime(2026, 10, 20, tzinfo=UTC), NOW)


def test_the_operator_may_say_when_new_grades_were_set():
    told = datetime(2026, 10, 24, tzinfo=UTC)
    understood = Understood("map", "file.xlsx", "xlsx", facts=[final()])
    adapted = Adapter(load_map("final-grades"), DIRECTORY, NOW, obtained_at=told).adapt(understood)
    assert records(adapted, RecordKind.FINAL_GRADES)[0]["obtained_at"] == told


def test_absences_homework_timetable_and_plan_become_records():
    adapted = adapt(
        Absence(PLACE, Student("Алёхина Анна", "", "7А"), "Алгебра", date(2026, 9, 2), 1, "б"),
        Homework(PLACE, "7А", "Алгебра", date(2026, 9, 2), date(2026, 9, 4), "§ 1", "55"),
        TimetableEntry(PLACE, date(2026, 9, 1), "7А", 1, 2, "Алгебра", "08:30", "09:15", "12", "Орлова Н. Л."),
        TimetableEntry(PLACE, date(2026, 9, 1), "7А", 1, 2, "Русский язык", "", "", "", "Никто Неизвестный"),
        PlannedHours(PLACE, "7А", "Алгебра", PeriodName("quarter", 1), "2026/2027", "Контрольная", Decimal("2.5")),
    )
    assert rejections(adapted) == []
    assert records(adapted, RecordKind.ATTENDANCE)[0]["code"] == "ill"
    assert records(adapted, RecordKind.HOMEWORK)[0]["due_on"] == date(2026, 9, 4)
    slots = records(adapted, RecordKind.TIMETABLE)
    assert [slot["teacher_id"] for slot in slots] == ["t1", None]
    assert len({slot["slot_id"] for slot in slots}) == 2
    assert adapted.teachers_left_out == 1
    plan = records(adapted, RecordKind.CURRICULUM)[0]
    assert (plan["lesson_type"], plan["hours"]) == ("control_work", Decimal("2.5"))


def pupil(name: str, class_name: str = "7А", *adults: Adult, **more: object) -> Pupil:
    return Pupil(PLACE, Student(name, str(more.get("external_id", "")), class_name), date(2013, 3, 5), adults)


def test_a_class_list_makes_only_whom_the_journal_does_not_know():
    list_map = load_map("class-list")
    adapted = adapt(
        pupil("Алёхина Анна", "7А", Adult("Алёхина Ольга", "parent"), Adult("Алёхин Пётр", "parent")),
        pupil("Белов Олег", "7А", Adult("Белова Анна Ивановна", "parent")),
        pupil("Белов Олег", "9В", Adult("Белова Анна Ивановна", "guardian")),
        rules=list_map,
    )
    people = records(adapted, RecordKind.PEOPLE)
    assert [(row["role"], row["family"], row["given"]) for row in people] == [
        ("student", "Алёхина", "Анна"),
        ("representative", "Алёхин", "Пётр"),
        ("student", "Белов", "Олег"),
        ("representative", "Белова", "Анна"),
    ]
    assert people[0]["person_id"] == "s4"
    links = [(row["representative_id"], row["kind"]) for row in records(adapted, RecordKind.REPRESENTATIVES)]
    assert links[0] == ("a1", "parent")
    assert [(row["name"], row["grade_level"]) for row in records(adapted, RecordKind.GROUPS)] == [("9В", 9)]


def test_people_are_never_made_unless_the_map_says_so():
    rules = parse_map("[map]\nname='x'\n[[tables]]\nrows='record'\nrecord='pupil'\nheader={row=1}", "x.toml")
    adapted = adapt(pupil("Белов Олег"), pupil("Алёхина Анна", "7А", Adult("Чужой Пётр", "parent")), rules=rules)
    assert rejections(adapted) == [("student", Code.UNKNOWN_STUDENT), ("adult", Code.UNKNOWN_STUDENT)]
    assert [row["person_id"] for row in records(adapted, RecordKind.PEOPLE)] == ["s4"]


def test_an_initial_makes_nobody():
    assert rejections(adapt(pupil("Белов О."), rules=load_map("class-list"))) == [("student", Code.UNKNOWN_STUDENT)]
