"""Facts to records: names are looked up, ids are made from content, and what has no place in the journal is rejected.

The id of a mark is made from school, student, subject, day and its number among the day's marks, and not from its
value: so the same table again changes nothing, and a table in which a mark was corrected corrects it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from services.gradebook.exchange.mapped.adapted import KIND_OF, Adapted
from services.gradebook.exchange.mapped.directory import Directory, Found, StatedFinal
from services.gradebook.exchange.mapped.facts import (
    Absence,
    Adult,
    Fact,
    Final,
    Homework,
    Lesson,
    Mark,
    PlannedHours,
    Pupil,
    Student,
    TimetableEntry,
    Understood,
)
from services.gradebook.exchange.mapped.mapping import Map
from services.gradebook.exchange.mapped.words import PersonName, class_of, key, name_of, plain
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.source import Piece, make
from services.gradebook.records import MODELS, RecordKind
from services.gradebook.rejections import Code, Fault

_LESSON_TYPES = (
    ("новый", "new_material"), ("изучение", "new_material"), ("контрольн", "control_work"),
    ("лаборатор", "laboratory"), ("практическ", "practical"), ("практик", "practice"), ("закреплен", "practice"),
    ("повторен", "revision"), ("обобщен", "revision"), ("зачет", "test"), ("тест", "test"), ("экскурс", "excursion"),
)  # fmt: skip


class _RefusedError(Exception):
    """A fact names something that the journal does not know."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault.code))
        self.fault = fault


def content_id(kind: str, *parts: object) -> str:
    """An id of our own for a thing that a table states without one: the same content has the same id."""
    digest = blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=15, person=b"sutki-table")
    return f"table:{kind}:{digest.hexdigest()}"


class Adapter:
    """Turns the facts of one file into records of one school."""

    def __init__(
        self,
        rules: Map,
        directory: Directory,
        now: datetime,
        stated: Mapping[str, StatedFinal] | None = None,
        *,
        obtained_at: datetime | None = None,
    ) -> None:
        self._rules = rules
        self._directory = directory
        self._now = now
        self._stated = stated or {}
        self._told = obtained_at
        self._counter: Counter[tuple[object, ...]] = Counter()
        self._made: set[tuple[RecordKind, str]] = set()
        self._file = ""
        self._line = 0
        self._pieces: dict[RecordKind, list[Piece]] = defaultdict(list)
        self.teachers_left_out = 0
        self._takes: dict[type[Fact], Callable[[Any], dict[str, Any]]] = {
            Mark: self._mark,
            Absence: self._absence,
            Final: self._final,
            Homework: self._homework,
            Lesson: self._lesson,
            TimetableEntry: self._timetable,
            PlannedHours: self._hours,
        }

    def adapt(self, understood: Understood) -> Adapted:
        """All facts."""
        self._file = understood.file
        for line, fact in enumerate(understood.facts, start=1):
            self._line = line
            if isinstance(fact, Pupil):
                self._pupil_or_fault(fact)
            elif self._rules.subjects.create:
                self._make_subject(fact.subject)
        return Adapted(understood, self._pieces, self)

    def begin(self, kind: RecordKind) -> None:
        """Before the records of a kind are read, perhaps once more."""
        self._counter.clear()
        if kind is RecordKind.TIMETABLE:
            self.teachers_left_out = 0

    def record(self, line: int, fact: Fact) -> Iterator[Piece]:
        """The record of a fact, or why there is none."""
        kind = KIND_OF[type(fact)]
        try:
            fields = self._takes[type(fact)](fact)
        except _RefusedError as refused:
            yield Rejection(self._file, line, refused.fault.field, refused.fault.code)
        else:
            yield from make(MODELS[kind], fields, file=self._file, line=line)

    def _pupil_or_fault(self, fact: Pupil) -> None:
        try:
            self._pupil(fact)
        except _RefusedError as refused:
            fault = Rejection(self._file, self._line, refused.fault.field, refused.fault.code)
            self._pieces[RecordKind.PEOPLE].append(fault)

    def _add(self, kind: RecordKind, fields: dict[str, Any]) -> None:
        self._pieces[kind].extend(make(MODELS[kind], fields, file=self._file, line=self._line))

    def _once(self, kind: RecordKind, own_id: str, fields: dict[str, Any]) -> None:
        """Adds what several rows have in common, such as their class, one time only."""
        if (kind, own_id) not in self._made:
            self._made.add((kind, own_id))
            self._add(kind, fields)

    def _student(self, student: Student) -> str:
        return _known(self._directory.student(student, given_first=self._rules.students.given_first))

    def _subject(self, title: str) -> str:
        found = self._directory.subject(title, self._rules.subjects.aliases)
        if isinstance(found, Fault) and self._rules.subjects.create:
            return self._id("subject", key(title))
        return _known(found)

    def _make_subject(self, title: str) -> None:
        if isinstance(self._directory.subject(title, self._rules.subjects.aliases), Fault):
            subject_id = self._id("subject", key(title))
            self._once(RecordKind.SUBJECTS, subject_id, {"subject_id": subject_id, "title": plain(title)})

    def _group(self, class_name: str) -> str:
        return _known(self._directory.group(class_name))

    def _id(self, kind: str, *parts: object) -> str:
        return content_id(kind, self._directory.school, *parts)

    def _number(self, *of: object) -> int:
        self._counter[of] += 1
        return self._counter[of]

    def _mark(self, fact: Mark) -> dict[str, Any]:
        student, subject = self._student(fact.student), self._subject(fact.subject)
        own = ("own", fact.external_id) if fact.external_id else (fact.day, fact.ordinal)
        return {
            "mark_id": self._id("mark", student, subject, *own),
            "student_id": student,
            "subject_id": subject,
            "group_id": self._directory.group_of(student, fact.student.class_name),
            "lesson_on": fact.day,
            "work_type": fact.work_type,
            "weight": fact.weight,
            "value": fact.value,
        }

    def _absence(self, fact: Absence) -> dict[str, Any]:
        student, subject = self._student(fact.student), self._subject(fact.subject)
        return {
            "attendance_id": self._id("attendance", student, subject, fact.day, fact.ordinal),
            "student_id": student,
            "subject_id": subject,
            "group_id": self._directory.group_of(student, fact.student.class_name),
            "lesson_on": fact.day,
            "code": fact.code,
        }

    def _final(self, fact: Final) -> dict[str, Any]:
        student, subject = self._student(fact.student), self._subject(fact.subject)
        period = self._directory.period(fact.period, fact.school_year)
        if isinstance(period, Fault):
            raise _RefusedError(period)
        result_id = self._id("final", student, subject, period.external_id)
        return {
            "result_id": result_id,
            "student_id": student,
            "subject_id": subject,
            "period_id": period.external_id,
            "value": fact.value,
            "obtained_at": self._obtained_at(result_id, fact.value, period.ends_on),
            "held": self._rules.finals.held,
        }

    def _obtained_at(self, result_id: str, value: str, ends_on: date) -> datetime:
        """When a grade came to be, which no report says; the same grade again keeps the instant taken first."""
        before = self._stated.get(result_id)
        if before is not None and before.value == value:
            return before.obtained_at
        if self._told is not None:
            return self._told
        end = datetime.combine(ends_on + timedelta(days=1), time(), ZoneInfo(self._directory.time_zone))
        if before is None and self._rules.finals.obtained_at == "period_end":
            return min(end, self._now)
        return self._now

    def _homework(self, fact: Homework) -> dict[str, Any]:
        group, subject = self._group(fact.class_name), self._subject(fact.subject)
        own = fact.external_id or f"{fact.given_on}/{self._number('homework', group, subject, fact.given_on)}"
        return {
            "homework_id": self._id("homework", group, subject, own),
            "group_id": group,
            "subject_id": subject,
            "assigned_on": fact.given_on,
            "due_on": fact.due_on,
            "content": fact.text,
        }

    def _lesson(self, fact: Lesson) -> dict[str, Any]:
        group, subject = self._group(fact.class_name), self._subject(fact.subject)
        own = fact.external_id or f"{fact.day}/{fact.number}"
        return {
            "lesson_id": self._id("lesson", group, subject, own),
            "group_id": group,
            "subject_id": subject,
            "lesson_on": fact.day,
            "number": str(fact.number) if fact.number is not None else None,
            "starts_at": fact.starts,
            "ends_at": fact.ends,
            "topic": fact.topic,
        }

    def _timetable(self, fact: TimetableEntry) -> dict[str, Any]:
        group, subject = self._group(fact.class_name), self._subject(fact.subject)
        teacher = self._directory.teacher(fact.teacher) if fact.teacher else None
        self.teachers_left_out += bool(fact.teacher) and teacher is None
        half = self._number("slot", group, fact.weekday, fact.number)
        own = (fact.valid_from, fact.weekday, fact.number, half)
        return {
            "slot_id": self._id("slot", group, *own),
            "group_id": group,
            "subject_id": subject,
            "teacher_id": teacher,
            "room": fact.room,
            "weekday": fact.weekday,
            "number": str(fact.number),
            "starts_at": fact.starts,
            "ends_at": fact.ends,
            "valid_from": fact.valid_from,
        }

    def _hours(self, fact: PlannedHours) -> dict[str, Any]:
        group, subject = self._group(fact.class_name), self._subject(fact.subject)
        period = self._directory.period(fact.period, fact.school_year)
        if isinstance(period, Fault):
            raise _RefusedError(period)
        words = key(fact.lesson_type)
        otherwise = "other" if words else "new_material"
        lesson_type = next((kind for start, kind in _LESSON_TYPES if start in words), otherwise)
        return {
            "curriculum_id": self._id("hours", group, subject, period.external_id, lesson_type),
            "group_id": group,
            "subject_id": subject,
            "period_id": period.external_id,
            "lesson_type": lesson_type,
            "hours": str(fact.hours),
        }

    def _pupil(self, fact: Pupil) -> None:
        group = self._made_group(fact.student.class_name)
        student = self._made_student(fact)
        self._add(RecordKind.MEMBERS, {"group_id": group, "person_id": student})
        for adult in fact.adults:
            person_id = self._made_adult(student, adult)
            fields = {"representative_id": person_id, "student_id": student, "kind": adult.relation, "in_force": "true"}
            self._add(RecordKind.REPRESENTATIVES, fields)

    def _made_group(self, class_name: str) -> str:
        found = self._directory.group(class_name)
        if isinstance(found, str):
            return found
        level = class_of(class_name)
        if not self._rules.students.create or level is None or level in self._directory.classes:
            raise _RefusedError(found)
        group_id = self._id("class", level)
        name = (level or "").upper()
        fields = {
            "group_id": group_id,
            "school_id": self._directory.school,
            "kind": "class",
            "name": name,
            "grade_level": "".join(sign for sign in name if sign.isdigit()),
        }
        self._once(RecordKind.GROUPS, group_id, fields)
        return group_id

    def _made_student(self, fact: Pupil) -> str:
        """The student of a class list: the known one, or a new one where the map may make people."""
        found = self._directory.student(fact.student, given_first=self._rules.students.given_first)
        name = name_of(fact.student.name, given_first=self._rules.students.given_first)
        creates = self._rules.students.create and name is not None and name.given[-1:] != "."
        if isinstance(found, Fault) and (not creates or found.code == Code.AMBIGUOUS_STUDENT):
            raise _RefusedError(found)
        born = fact.birth_date or class_of(fact.student.class_name)
        made = fact.student.external_id or self._id("student", key(fact.student.name), born)
        student_id = found if isinstance(found, str) else made
        if name is not None:
            self._person(student_id, "student", name, fact.birth_date)
        return student_id

    def _made_adult(self, student_id: str, adult: Adult) -> str:
        """A representative: who has the name of another child's is not taken for the same person."""
        name = name_of(adult.name)
        if name is None:
            raise _RefusedError(Fault("adult", Code.BAD_VALUE))
        known = self._directory.adult(student_id, name)
        if known is not None:
            return known
        if not self._rules.students.create:
            raise _RefusedError(Fault("adult", Code.UNKNOWN_STUDENT))
        person_id = self._id("adult", student_id, key(adult.name))
        self._person(person_id, "representative", name, None)
        return person_id

    def _person(self, person_id: str, role: str, name: PersonName, birth_date: date | None) -> None:
        fields = {
            "person_id": person_id,
            "role": role,
            "family": name.family,
            "given": name.given,
            "patronymic": name.patronymic,
            "birth_date": birth_date,
            "school_id": self._directory.school,
        }
        self._once(RecordKind.PEOPLE, f"{role}/{person_id}", fields)


def _known(found: Found) -> str:
    if isinstance(found, Fault):
        raise _RefusedError(found)
    return found
