"""Invented schools' past grades, by processes that differ in what a forecast can learn."""

import math
import random
from collections.abc import Callable, Sequence

from services.gradebook.forecast.history import Row

SUBJECT_NAMES = ("алгебра", "русский язык", "история", "физика", "биология", "химия")
Maker = Callable[[random.Random, int], list[Row]]


def cut(score: float, borders: Sequence[float]) -> int:
    """The grade of a fine score."""
    return 2 + sum(score >= border for border in borders)


def rows_of(student: int, subject: str, grades: Sequence[float]) -> list[Row]:
    return [Row(f"у{student}", subject, str(number), grade) for number, grade in enumerate(grades, start=1)]


def ability_and_strictness(dice: random.Random, students: int) -> list[Row]:
    """Four subjects, a latent ability, an own leaning to each subject, strict and mild teachers, noise, rounding."""
    strictness = {subject: dice.gauss(0, 0.35) for subject in SUBJECT_NAMES[:4]}
    rows: list[Row] = []
    for student in range(students):
        ability = dice.gauss(3.7, 0.7)
        for subject, strict in strictness.items():
            level = ability - strict + dice.gauss(0, 0.4)
            rows += rows_of(student, subject, [cut(level + dice.gauss(0, 0.35), (2.5, 3.5, 4.5)) for _ in range(4)])
    return rows


def carry_over(dice: random.Random, students: int) -> list[Row]:
    """The grade nearly always stays, whatever was before the last one."""
    rows: list[Row] = []
    for student in range(students):
        grades = [dice.choices((2, 3, 4, 5), (1, 5, 6, 4))[0]]
        for _ in range(2):
            change = dice.choices((-1, 0, 1), (7, 85, 8))[0]
            grades.append(min(5, max(2, grades[-1] + change)))
        rows += rows_of(student, "алгебра", grades)
    return rows


def back_to_the_mean(dice: random.Random, students: int) -> list[Row]:
    """Each period is mostly luck around a stable level, so that the last grade alone says little."""
    rows: list[Row] = []
    for student in range(students):
        level = dice.gauss(3.6, 0.55)
        rows += rows_of(student, "химия", [cut(level + dice.gauss(0, 0.6), (2.5, 3.5, 4.5)) for _ in range(4)])
    return rows


def falling_out(dice: random.Random, students: int) -> list[Row]:
    """Some stop working: a 2 comes from anywhere, and stays; the others go on as before."""
    rows: list[Row] = []
    for student in range(students):
        level, out = dice.gauss(3.8, 0.7), False
        grades = []
        for _ in range(3):
            out = out or dice.random() < 0.06
            grades.append(2 if out else cut(level + dice.gauss(0, 0.35), (2.5, 3.5, 4.5)))
        rows += rows_of(student, "физика", grades)
    return rows


def primary_school(dice: random.Random, students: int) -> list[Row]:
    """Three subjects with hardly anything but 4 and 5."""
    rows: list[Row] = []
    for student in range(students):
        ability = dice.gauss(4.5, 0.5)
        for subject in SUBJECT_NAMES[:3]:
            level = ability + dice.gauss(0, 0.3)
            rows += rows_of(student, subject, [cut(level + dice.gauss(0, 0.3), (2.2, 3.3, 4.4)) for _ in range(3)])
    return rows


def fine_scores(borders: Sequence[float], last_drifts: float = 0.0) -> Maker:
    """Scores of 0 to 20 that drift, cut into grades."""

    def make(dice: random.Random, students: int) -> list[Row]:
        rows: list[Row] = []
        for student in range(students):
            score = dice.gauss(11.5, 3.0)
            grades = []
            for number in range(3):
                score += dice.gauss(last_drifts if number == 2 else 0.2, 1.2)
                grades.append(cut(score + dice.gauss(0, 0.7), borders))
            rows += rows_of(student, "русский язык", grades)
        return rows

    return make


def yearly(dice: random.Random, students: int) -> list[Row]:
    """The target is the year: the teacher's rounding of the quarters' mean, leaning to the last quarter."""
    rows: list[Row] = []
    for student in range(students):
        level = dice.gauss(3.7, 0.7)
        quarters = [cut(level + dice.gauss(0, 0.45), (2.5, 3.5, 4.5)) for _ in range(3)]
        year = 0.25 * quarters[0] + 0.3 * quarters[1] + 0.45 * quarters[2] + dice.gauss(0, 0.2)
        rows += rows_of(student, "биология", [*quarters, min(5, max(2, math.floor(year + 0.5)))])
    return rows


WORLDS: dict[str, Maker] = {
    "ability_and_strictness": ability_and_strictness,
    "carry_over": carry_over,
    "back_to_the_mean": back_to_the_mean,
    "falling_out": falling_out,
    "primary_school": primary_school,
    "fine_10_14_17": fine_scores((10, 14, 17)),
    "fine_8_12_16": fine_scores((8, 12, 16)),
    "fine_10_12_15_harder": fine_scores((10, 12, 15), last_drifts=-0.8),
    "yearly": yearly,
}
