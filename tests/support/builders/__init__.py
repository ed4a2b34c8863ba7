"""Events in the domain's words, for tests of every service: `a_student().in_class("7А").represented_by(mother)`.

A builder is a value: each word gives a new one, so that one may be the ground of several. `.event()` is what travels;
everything that a test does not say has a sensible default.
"""

from tests.support.builders.consents import ConsentBuilder, a_consent, an_account_of
from tests.support.builders.ground import FIRST_QUARTER, OBTAINED_AT, SCHOOL, SCHOOL_YEAR_BEGINS, class_id, subject
from tests.support.builders.people import (
    GroupBuilder,
    PersonBuilder,
    SchoolBuilder,
    StudentBuilder,
    a_class,
    a_representative,
    a_school,
    a_student,
    a_study_group,
    a_teacher,
)
from tests.support.builders.results import (
    ExamResultBuilder,
    FinalGradeBuilder,
    MarkBuilder,
    a_final_grade,
    a_mark,
    an_exam_result,
)

__all__ = [
    "FIRST_QUARTER",
    "OBTAINED_AT",
    "SCHOOL",
    "SCHOOL_YEAR_BEGINS",
    "ConsentBuilder",
    "ExamResultBuilder",
    "FinalGradeBuilder",
    "GroupBuilder",
    "MarkBuilder",
    "PersonBuilder",
    "SchoolBuilder",
    "StudentBuilder",
    "a_class",
    "a_consent",
    "a_final_grade",
    "a_mark",
    "a_representative",
    "a_school",
    "a_student",
    "a_study_group",
    "a_teacher",
    "an_account_of",
    "an_exam_result",
    "class_id",
    "subject",
]
