"""The sample district: the same from the same seed, plausible, and about nobody."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from statistics import mean

import pytest

from sutki.sample import District, generate, write
from sutki.sample.answers import age
from sutki.sample.curriculum import courses_of, subject_id

BASE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def district() -> District:
    return generate(1, BASE)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_and_base_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(generate(7, BASE, students=120), tmp_path / name)
    write(generate(8, BASE, students=120), tmp_path / "c")
    moscow = BASE.astimezone(timezone(timedelta(hours=3)))
    write(generate(7, moscow, students=120), tmp_path / "d")

    first, again, other, elsewhere = (_bytes(tmp_path / name) for name in "abcd")

    assert first == again == elsewhere
    assert len(first) == 60
    assert first.keys() == other.keys()
    assert first != other


def test_another_process_makes_the_same(tmp_path):
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; from sutki.sample import *;"
        "write(generate(7, datetime(2026, 11, 24, 9, tzinfo=UTC), students=60), Path(sys.argv[1]))"
    )
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / hash_seed)], check=True, env=environment)

    assert _bytes(tmp_path / "1") == _bytes(tmp_path / "2")


def test_it_has_the_size_of_three_small_schools(district):
    students = [person for person in district.people if person.role == "student"]

    assert len(students) == 1500
    assert len(district.schools) == 3
    assert 60_000 <= len(district.marks) <= 80_000
    assert len({person.person_id for person in students}) == len(students)
    assert min(Counter(person.school_id for person in students).values()) == 500


def test_every_student_has_one_or_two_representatives_and_some_families_are_special(district):
    of_student = Counter(link.student_id for link in district.representatives)
    home = {person.person_id: person.school_id for person in district.people if person.role == "student"}
    children: dict[str, set[str]] = defaultdict(set)
    for link in district.representatives:
        children[link.representative_id].add(link.student_id)
    schools = {adult: {home[child] for child in whose} for adult, whose in children.items()}

    assert set(of_student) == set(home)
    assert set(of_student.values()) == {1, 2}
    assert sum(len(one) > 1 for one in schools.values()) > 20, "siblings at several schools"
    guardians = {link.representative_id for link in district.representatives if link.kind == "guardian"}
    names = {person.person_id: person.family.removesuffix("а") for person in district.people}
    families = {adult: {names[child] for child in children[adult]} for adult in guardians}
    assert any(len(one) > 1 for one in families.values()), "a guardian of two families"
    assert {link.in_force for link in district.representatives} == {True, False}


def test_who_is_known_to_two_schools_has_one_id_and_one_name(district):
    names: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    schools: dict[str, set[str]] = defaultdict(set)
    for person in district.people:
        names[person.person_id].add((person.family, person.given, person.patronymic))
        schools[person.person_id].add(person.school_id)

    assert {len(one) for one in names.values()} == {1}
    assert any(len(one) > 1 for one in schools.values())


def test_names_agree_in_gender(district):
    for person in district.people:
        woman = person.patronymic.endswith("на")
        assert woman or person.patronymic.endswith("ч"), person.patronymic
        assert person.family.endswith("а" if not person.family.endswith("ая") else "ая") == woman, person.family
        assert person.given[-1] in "аяь" or not woman, person.given


def test_students_have_the_age_of_their_grade(district):
    grades = {group.group_id: group.grade_level for group in district.groups if group.kind == "class"}
    grade_of = {member.person_id: grades[member.group_id] for member in district.members if member.group_id in grades}

    for person in district.people:
        if person.role == "student":
            assert person.birth_date is not None
            assert (
                0
                <= age(person.birth_date, date(2026, 9, 1)) - grade_of[person.person_id] - 5
                <= 1 + (grade_of[person.person_id] == 11)
            )


def test_all_four_kinds_of_group_exist_and_classes_have_russian_letters(district):
    classes = [group.name for group in district.groups if group.kind == "class"]

    assert {group.kind for group in district.groups} == {"class", "study_group", "study_stream", "individual_plan"}
    assert {name[:-1] for name in classes} == {str(grade) for grade in range(1, 12)}
    assert {"А", "Б"} <= {name[-1] for name in classes}
    ids = [group.group_id for group in district.groups]
    assert len(set(ids)) == len(ids)
    assert len(set(district.members)) == len(district.members)


def test_the_first_grade_has_no_marks_and_every_other_student_has_a_grade_in_each_subject(district):
    grades = {group.group_id: group.grade_level for group in district.groups if group.kind == "class"}
    grade_of = {member.person_id: grades[member.group_id] for member in district.members if member.group_id in grades}
    first_quarter = [mark for mark in district.marks if mark.lesson_on <= date(2026, 10, 25)]
    marks = Counter((mark.student_id, mark.subject_id) for mark in first_quarter)
    finals = Counter((grade.student_id, grade.subject_id) for grade in district.final_grades)

    expected = {
        (student, subject_id(course.code))
        for student, grade in grade_of.items()
        for course in courses_of(grade)
        if grade > 1
    }
    deferred = {(one.student_id, one.subject_id) for one in district.deferrals}
    assert set(marks) == expected
    assert set(finals) == expected - deferred
    assert set(finals.values()) == {1}
    assert set(marks.values()) <= {3, 4, 5}
    assert 3.5 < mean(marks.values()) < 4.5
    assert all(grade_of[student] > 1 for student, _ in expected)


def test_everything_was_obtained_within_the_last_hours_and_some_grades_are_held(district):
    results = [*district.final_grades, *district.exam_results]

    assert all(BASE - timedelta(hours=5) <= result.obtained_at < BASE for result in results)
    held = mean(grade.held for grade in district.final_grades)
    assert 0.02 < held < 0.2
    periods = {period.period_id: period.kind for period in district.periods}
    assert {periods[grade.period_id] for grade in district.final_grades} == {"quarter", "half_year"}
    assert all(mark.lesson_on < BASE.date() and mark.lesson_on.weekday() < 5 for mark in district.marks)


def test_exams_belong_to_the_ninth_and_eleventh_grades(district):
    kinds = Counter(result.kind for result in district.exam_results)

    assert set(kinds) == {"oge", "ege", "competition"}
    assert all(0 <= result.score <= result.max_score for result in district.exam_results)
    assert all(bool(result.grade) == (result.kind == "oge") for result in district.exam_results)
    assert len({result.subject_id for result in district.exam_results if result.kind == "oge"}) > 2


def test_consents_are_answered_in_the_expected_shares(district):
    adults = {
        person.person_id
        for person in district.people
        if person.role == "student" and age(person.birth_date, BASE.date()) >= 18
    }
    pairs = {
        (link.representative_id, link.student_id)
        for link in district.representatives
        if link.in_force and link.student_id not in adults
    } | {(adult, adult) for adult in adults}
    forms = {(form.representative_id, form.student_id): form for form in district.consents}
    taken_back = {(letter.representative_id, letter.student_id) for letter in district.withdrawals}
    total = len(pairs)

    assert adults
    assert set(forms) <= pairs
    assert len(forms) == len(district.consents)
    assert 0.04 < 1 - len(forms) / total < 0.10, "unanswered"
    assert 0.04 < sum(form.cabinet == "refused" for form in forms.values()) / total < 0.09
    assert 0.02 < len(taken_back) / total < 0.07
    assert 0.015 < sum(form.no_internet for form in forms.values()) / total < 0.05
    assert all(forms[pair].cabinet == "given" for pair in taken_back)


def test_two_representatives_may_decide_apart(district):
    said: dict[str, set[str]] = defaultdict(set)
    for form in district.consents:
        said[form.student_id].add(form.cabinet)

    assert any(len(one) > 1 for one in said.values())


def test_mail_goes_to_example_org_and_to_one_address_for_each_person(district):
    addresses = {(form.representative_id, form.email_address) for form in district.consents if form.email_address}

    assert all(address == f"{person}@example.org" for person, address in addresses)
    consenting = [form for form in district.consents if form.cabinet == "given" and not form.no_internet]
    assert mean(form.email == "given" for form in consenting) > 0.7
    assert all((form.email == "given") == bool(form.email_address) for form in district.consents)


def test_numbers_of_papers_are_unique(district):
    numbers = [form.document_number for form in district.consents]
    numbers += [letter.document_number for letter in district.withdrawals]

    assert len(set(numbers)) == len(numbers)


def test_accounts_are_for_those_who_consent(district):
    consenting = {
        form.representative_id for form in district.consents if form.cabinet == "given" and not form.no_internet
    }
    offline = {form.representative_id for form in district.consents if form.no_internet}
    accounts = {account.person_id: account for account in district.accounts}

    assert {person for person, account in accounts.items() if account.role == "representative"} <= consenting
    assert not offline & accounts.keys()
    assert sum(account.role == "student" for account in accounts.values()) > 100
    assert len({account.login for account in accounts.values()}) == len(accounts)
    assert len({account.password for account in accounts.values()}) == len(accounts)
    assert all(len(account.password) == 19 for account in accounts.values())


@pytest.mark.parametrize("base", [datetime(2026, 9, 2, tzinfo=UTC), datetime(2027, 2, 28, 23, tzinfo=UTC)])
def test_any_day_will_do(base):
    district = generate(3, base, students=60)

    assert district.marks
    assert all(mark.lesson_on < base.date() for mark in district.marks)
    assert len({period.school_year for period in district.periods}) == 1


@pytest.mark.parametrize(("students", "schools"), [(1, 1), (3, 3), (11, 2), (40, 4)])
def test_a_district_may_be_small(students, schools, tmp_path):
    district = generate(5, BASE, students=students, schools=schools)
    write(district, tmp_path)

    assert sum(person.role == "student" for person in district.people) == students


@pytest.mark.parametrize(("students", "schools"), [(2, 3), (0, 1), (5, 0)])
def test_impossible_sizes_are_refused(students, schools):
    with pytest.raises(ValueError, match="student"):
        generate(1, BASE, students=students, schools=schools)


def test_the_base_needs_an_offset():
    with pytest.raises(ValueError, match="offset"):
        generate(1, datetime(2026, 11, 24))  # noqa: DTZ001
