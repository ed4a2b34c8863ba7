"""Families: children in grades and schools, who represents them, and how they are related."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from random import Random

from sutki.sample.names import Father, Name, a_family_name, a_father, a_name, feminine

GRADES = range(1, 12)
_SENIOR_SHARE = 0.6
"""The senior grades are smaller: some leave after the ninth."""
_HELD_BACK_SHARE = 0.08
"""Of the eleventh grade: a year older than their class, so that some are of age already."""


@dataclass(slots=True)
class Adult:
    """A parent, guardian or other representative."""

    person_id: str
    name: Name
    kind: str


@dataclass(slots=True)
class Child:
    """A student."""

    person_id: str
    name: Name
    birth_date: date
    grade: int
    school: int
    """The index of the school."""
    woman: bool


@dataclass(slots=True)
class Family:
    """Children who share their representatives."""

    children: list[Child] = field(default_factory=list)
    adults: list[Adult] = field(default_factory=list)
    without_authority: set[str] = field(default_factory=set)
    """Adults whose authority a court has ended."""


class PersonIds:
    """The journal's ids of people, in order."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        """The next one."""
        return f"person-{next(self._numbers):05d}"


def families(rng: Random, ids: PersonIds, *, students: int, schools: int, year: int) -> list[Family]:
    """All families of the district.

    Args:
        rng: the only source of chance.
        ids: gives out ids of people.
        students: how many in all.
        schools: how many schools; siblings may be in several.
        year: the year in which the school year began.
    """
    places = _places(rng, students, schools)
    made = []
    while any(places):
        made.append(_family(rng, ids, places, year))
    _share_a_guardian(rng, ids, made)
    _end_some_authority(rng, made, last_school=schools - 1)
    return made


def _places(rng: Random, students: int, schools: int) -> list[list[int]]:
    """For each school the grades of its students, shuffled."""
    weights = [_SENIOR_SHARE if grade > 9 else 1.0 for grade in GRADES]
    places = []
    for index in range(schools):
        size = students // schools + (index < students % schools)
        shares = [size * weight / sum(weights) for weight in weights]
        grades = [grade for grade, share in zip(GRADES, shares, strict=True) for _ in range(int(share))]
        grades += [rng.choice(GRADES) for _ in range(size - len(grades))]
        rng.shuffle(grades)
        places.append(grades)
    return places


def _family(rng: Random, ids: PersonIds, places: list[list[int]], year: int) -> Family:
    family, surname, father = Family(), a_family_name(rng), a_father(rng)
    school = max(range(len(places)), key=lambda index: len(places[index]))
    for _ in range(rng.choices((1, 2, 3), (62, 30, 8))[0]):
        if not any(places):
            break
        while not places[school]:
            school = rng.randrange(len(places))
        family.children.append(
            _child(rng, ids, family, places[school].pop(), school, line=(surname, father), year=year)
        )
        if rng.random() < 0.2:
            school = rng.randrange(len(places))
    family.adults = list(_parents(rng, ids, surname, father))
    return family


def _child(
    rng: Random, ids: PersonIds, family: Family, grade: int, school: int, *, line: tuple[str, Father], year: int
) -> Child:
    twin = next((child for child in family.children if child.grade == grade), None)
    woman = rng.random() < 0.5
    surname, father = line
    name = a_name(rng, surname, woman=woman, father=father)
    birth_date = twin.birth_date if twin else _birth_date(rng, grade, year)
    return Child(ids.new(), name, birth_date, grade, school, woman)


def _birth_date(rng: Random, grade: int, year: int) -> date:
    """A first-grader is from six and a half to seven and a half years old on 1 September."""
    older = 1 if grade == 11 and rng.random() < _HELD_BACK_SHARE else 0
    born_before = date(year - grade - 5 - older, 3, 1)
    return born_before - timedelta(days=rng.randrange(1, 366))


def _parents(rng: Random, ids: PersonIds, surname: str, father: Father) -> Iterator[Adult]:
    chance = rng.random()
    mother_family = feminine(a_family_name(rng) if rng.random() < 0.15 else surname)
    if chance < 0.98:
        mother = a_name(rng, surname, woman=True)
        yield Adult(ids.new(), Name(mother_family, mother.given, mother.patronymic), "parent")
    if chance >= 0.32:
        yield Adult(ids.new(), Name(surname, father.given, a_father(rng).son), "parent")
    elif chance < 0.02:
        yield Adult(ids.new(), a_name(rng, a_family_name(rng), woman=True), "other")


def _share_a_guardian(rng: Random, ids: PersonIds, made: list[Family]) -> None:
    """A few guardians each represent the children of two families."""
    pairs = max(1, len(made) // 300) if len(made) >= 2 else 0
    chosen = rng.sample(range(len(made)), 2 * pairs)
    for first, second in zip(chosen[::2], chosen[1::2], strict=True):
        guardian = Adult(ids.new(), a_name(rng, a_family_name(rng), woman=rng.random() < 0.7), "guardian")
        made[first].adults = [guardian]
        made[second].adults = [guardian]


def _end_some_authority(rng: Random, made: list[Family], *, last_school: int) -> None:
    """Only where the format of the school's files can say so, and never for the only representative."""
    for family in made:
        there = all(child.school == last_school for child in family.children)
        if there and len(family.adults) == 2 and rng.random() < 0.03:
            family.without_authority.add(family.adults[-1].person_id)
