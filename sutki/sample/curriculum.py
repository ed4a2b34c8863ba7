"""Which subjects are taught in which grade, and how."""

from typing import NamedTuple

from sutki.sample.records import Subject

FIRST_GRADE_WITH_MARKS = 2
SENIOR_GRADES = (10, 11)


class Course(NamedTuple):
    """A subject and the grades in which it is taught."""

    code: str
    title: str
    grades: frozenset[int]
    passed_only: bool = False
    """Judged as passed or failed, without a scale."""
    halves: bool = False
    """A class is divided into two study groups."""
    stream: bool = False
    """In the senior grades the parallel classes learn it together."""


def _from(first: int, last: int) -> frozenset[int]:
    return frozenset(range(first, last + 1))


COURSES: tuple[Course, ...] = (
    Course("russian", "Русский язык", _from(1, 11)),
    Course("reading", "Литературное чтение", _from(1, 4)),
    Course("literature", "Литература", _from(5, 11)),
    Course("english", "Иностранный язык (английский)", _from(2, 11), halves=True),
    Course("maths", "Математика", _from(1, 6)),
    Course("algebra", "Алгебра", _from(7, 9)),
    Course("algebra-senior", "Алгебра и начала математического анализа", _from(10, 11)),
    Course("geometry", "Геометрия", _from(7, 11)),
    Course("statistics", "Вероятность и статистика", _from(7, 11)),
    Course("informatics", "Информатика", _from(7, 11)),
    Course("world", "Окружающий мир", _from(1, 4)),
    Course("ethics", "Основы религиозных культур и светской этики", _from(4, 4), passed_only=True),
    Course("history", "История", _from(5, 11)),
    Course("society", "Обществознание", _from(6, 11)),
    Course("geography", "География", _from(5, 11)),
    Course("biology", "Биология", _from(5, 11)),
    Course("physics", "Физика", _from(7, 11), stream=True),
    Course("chemistry", "Химия", _from(8, 11)),
    Course("art", "Изобразительное искусство", _from(1, 7)),
    Course("music", "Музыка", _from(1, 8)),
    Course("technology", "Труд (технология)", _from(1, 9)),
    Course("sport", "Физическая культура", _from(1, 11)),
    Course("safety", "Основы безопасности и защиты Родины", _from(8, 11)),
    Course("project", "Индивидуальный проект", _from(10, 10), passed_only=True),
)

_HOURS: dict[str, tuple[int, ...]] = {
    # Lessons a week in the grades from the first to the eleventh.
    "russian": (5, 5, 5, 5, 5, 6, 4, 3, 3, 2, 2),
    "reading": (4, 4, 4, 3, 0, 0, 0, 0, 0, 0, 0),
    "literature": (0, 0, 0, 0, 3, 3, 2, 2, 3, 3, 3),
    "english": (0, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3),
    "maths": (4, 4, 4, 4, 5, 5, 0, 0, 0, 0, 0),
    "algebra": (0, 0, 0, 0, 0, 0, 3, 3, 3, 0, 0),
    "algebra-senior": (0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 3),
    "geometry": (0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 3),
    "world": (2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0),
    "history": (0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2),
    "society": (0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2),
    "geography": (0, 0, 0, 0, 1, 1, 2, 2, 2, 1, 1),
    "biology": (0, 0, 0, 0, 1, 1, 1, 2, 2, 1, 1),
    "physics": (0, 0, 0, 0, 0, 0, 2, 2, 3, 5, 5),
    "chemistry": (0, 0, 0, 0, 0, 0, 0, 2, 2, 1, 1),
    "technology": (1, 1, 1, 1, 2, 2, 2, 1, 1, 0, 0),
    "sport": (2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2),
}

PRIMARY = frozenset({"russian", "reading", "maths", "world", "ethics", "art", "technology"})
"""What the teacher of a primary class teaches; the rest is taught by others."""
LAST_PRIMARY_GRADE = 4
WITH_LABS = frozenset({"physics", "chemistry", "biology"})
WITH_PRACTICE_ONLY = frozenset({"sport", "music", "art", "technology"})
"""No control works here."""
CHAIRS: dict[str, str] = {
    "literature": "russian",
    "algebra": "maths",
    "algebra-senior": "maths",
    "geometry": "maths",
    "statistics": "maths",
    "society": "history",
}
"""Courses that the teachers of another one teach too."""


def hours(course: Course, grade: int) -> int:
    """Lessons a week."""
    return _HOURS[course.code][grade - 1] if course.code in _HOURS else 1


class Exam(NamedTuple):
    """A state exam."""

    course: str
    title: str
    max_score: int
    share: float
    """Of the students of the grade who take it."""


EXAMS: dict[int, tuple[str, tuple[Exam, ...]]] = {
    9: (
        "oge",
        (
            Exam("russian", "ОГЭ по русскому языку", 37, 1.0),
            Exam("maths", "ОГЭ по математике", 31, 1.0),
            Exam("society", "ОГЭ по обществознанию", 37, 0.6),
            Exam("informatics", "ОГЭ по информатике", 21, 0.4),
        ),
    ),
    11: (
        "ege",
        (
            Exam("russian", "ЕГЭ по русскому языку", 100, 1.0),
            Exam("maths", "ЕГЭ по математике", 100, 1.0),
            Exam("physics", "ЕГЭ по физике", 100, 0.35),
            Exam("society", "ЕГЭ по обществознанию", 100, 0.45),
        ),
    ),
}

WORKS: tuple[tuple[str, str], ...] = (
    ("answer", "1"),
    ("homework", "1"),
    ("self_study", "1.5"),
    ("control_work", "2"),
    ("lab", "1.5"),
    ("project", "2"),
)
"""Work types with their weights."""


def subject_id(code: str) -> str:
    """The journal's id of a subject; the schools of the district share them."""
    return f"subject-{code}"


def subjects() -> list[Subject]:
    """All subjects."""
    return [Subject(subject_id(course.code), course.title) for course in COURSES]


def courses_of(grade: int) -> list[Course]:
    """The subjects of a grade."""
    return [course for course in COURSES if grade in course.grades]
