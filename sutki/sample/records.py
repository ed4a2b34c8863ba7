"""What a journal holds, in the words and the order of its own files. All ids are the journal's."""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple


class School(NamedTuple):
    """A school."""

    school_id: str
    name: str
    address: str
    time_zone: str


class Subject(NamedTuple):
    """A school subject."""

    subject_id: str
    title: str


class Period(NamedTuple):
    """A reporting period of one school."""

    period_id: str
    school_id: str
    kind: str
    number: int
    school_year: str
    starts_on: date
    ends_on: date


class Campus(NamedTuple):
    """A building of a school."""

    campus_id: str
    school_id: str
    title: str
    address: str


class SchoolYear(NamedTuple):
    """When the school year begins and ends."""

    school_year_id: str
    school_id: str
    school_year: str
    starts_on: date
    ends_on: date


class Holiday(NamedTuple):
    """Days without lessons."""

    holiday_id: str
    school_id: str
    school_year: str
    title: str
    starts_on: date
    ends_on: date


class Person(NamedTuple):
    """A person in one role at one school; several rows make one person."""

    person_id: str
    role: str
    family: str
    given: str
    patronymic: str
    birth_date: date | None
    school_id: str


class Representation(NamedTuple):
    """Who represents whom."""

    representative_id: str
    student_id: str
    kind: str
    in_force: bool


class Group(NamedTuple):
    """A class, study group, study stream or individual plan."""

    group_id: str
    school_id: str
    kind: str
    name: str
    grade_level: int
    subject_id: str
    campus_id: str
    """Only plain files have a place for it."""


class Member(NamedTuple):
    """A student in a group."""

    group_id: str
    person_id: str


class Lead(NamedTuple):
    """A teacher of a group; only OneRoster has a place for it."""

    group_id: str
    person_id: str


class Mark(NamedTuple):
    """A mark."""

    mark_id: str
    student_id: str
    subject_id: str
    group_id: str
    lesson_on: date
    work_type: str
    weight: Decimal
    value: str
    lesson_id: str
    author_id: str
    """Lesson and author: only plain files have a place for them."""
    work_id: str
    """The piece of work that several students did; in OneRoster a line item."""


class FinalGrade(NamedTuple):
    """A final grade of a period."""

    result_id: str
    student_id: str
    subject_id: str
    period_id: str
    value: str
    obtained_at: datetime
    held: bool
    group_id: str


class ExamResult(NamedTuple):
    """The result of an exam or a competition."""

    result_id: str
    student_id: str
    subject_id: str
    kind: str
    title: str
    score: int
    max_score: int
    grade: str
    obtained_at: datetime
    group_id: str


class Consent(NamedTuple):
    """A filled-in form: who consented or refused, and everything that a written consent must contain."""

    representative_id: str
    student_id: str
    cabinet: str
    email: str
    push: str
    no_internet: bool
    email_address: str
    language: str
    document_number: str
    decided_at: datetime
    student_agreed: bool | None
    consenter_name: str
    consenter_address: str
    identity_kind: str
    identity_number: str
    identity_issued_on: date | None
    identity_issuer: str
    on_behalf_of: str
    authority_document: str
    operator_name: str
    operator_address: str
    purposes: str
    data_list: str
    actions_list: str
    term: str
    withdrawal_procedure: str
    signed: bool
    signed_on: date


class Withdrawal(NamedTuple):
    """A letter that takes consent back; without an instant it counts from its registration."""

    representative_id: str
    student_id: str
    purposes: str
    document_number: str


class Account(NamedTuple):
    """Sign-in of a person to the cabinet."""

    person_id: str
    role: str
    login: str
    password: str
