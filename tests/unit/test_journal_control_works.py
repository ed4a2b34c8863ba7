"""Control works that clash: at most so many a day for a class, and of one subject in a week."""

from datetime import date
from uuid import UUID, uuid4

from services.gradebook.control_works import Clash, Planned, Rule, clashes, week_of
from services.gradebook.policy import Policies, SchoolPolicy

CLASS_A, CLASS_B, ALGEBRA, RUSSIAN = (uuid4() for _ in range(4))
MONDAY = date(2026, 10, 12)
DEFAULTS = Policies([])


def work(on: date = MONDAY, subject: UUID = ALGEBRA, *classes: UUID, kind: str = "control_work") -> Planned:
    """A planned work."""
    return Planned(uuid4(), frozenset(classes or (CLASS_A,)), subject, on, kind)


def policies(**settings: int | str | tuple[str, ...]) -> Policies:
    """A school's settings, from always."""
    return Policies([(date(2000, 1, 1), SchoolPolicy.model_validate(settings))])


def test_a_class_writes_one_control_work_a_day() -> None:
    standing, new = work(), work(subject=RUSSIAN)
    assert clashes([new], [standing], DEFAULTS) == [
        Clash(new.control_work_id, Rule.SAME_DAY, CLASS_A, (standing.control_work_id,))
    ]
    assert clashes([work(date(2026, 10, 13), RUSSIAN)], [standing], DEFAULTS) == []
    assert clashes([work(MONDAY, RUSSIAN, CLASS_B)], [standing], DEFAULTS) == []
    assert clashes([new], [standing], policies(control_works_a_day=2)) == []


def test_a_subject_has_two_in_a_week_at_most_and_the_week_ends_on_sunday() -> None:
    standing = [work(date(2026, 10, 13)), work(date(2026, 10, 16))]
    new = work(date(2026, 10, 18))
    (clash,) = clashes([new], standing, DEFAULTS)
    assert (clash.rule, set(clash.with_ids)) == (
        Rule.SAME_SUBJECT_IN_WEEK,
        {one.control_work_id for one in standing},
    )
    assert clashes([work(date(2026, 10, 19))], standing, DEFAULTS) == []
    assert clashes([work(date(2026, 10, 18), RUSSIAN)], standing, DEFAULTS) == []
    assert clashes([new], standing, policies(same_subject_control_works_a_week=3)) == []


def test_of_two_new_ones_on_a_day_the_first_is_kept() -> None:
    first, second, third = work(), work(subject=RUSSIAN), work(date(2026, 10, 13), RUSSIAN)
    found = clashes([first, second, third], [], DEFAULTS)
    assert [(clash.control_work_id, clash.rule) for clash in found] == [(second.control_work_id, Rule.SAME_DAY)]


def test_a_study_groups_work_counts_for_every_class_its_members_come_from() -> None:
    stream = work(MONDAY, ALGEBRA, CLASS_A, CLASS_B)
    new = work(MONDAY, RUSSIAN, CLASS_B)
    assert [clash.class_id for clash in clashes([new], [stream], DEFAULTS)] == [CLASS_B]


def test_what_a_work_was_before_does_not_stand_in_its_own_way() -> None:
    before = work()
    assert clashes([before._replace(subject_id=RUSSIAN)], [before], DEFAULTS) == []


def test_other_kinds_of_work_are_not_counted_unless_the_school_says_so() -> None:
    project = work(kind="project")
    assert clashes([project], [work()], DEFAULTS) == []
    assert clashes([work(subject=RUSSIAN)], [project], DEFAULTS) == []
    both = policies(control_work_kinds=("control_work", "project"))
    assert [clash.rule for clash in clashes([work(subject=RUSSIAN)], [project], both)] == [Rule.SAME_DAY]


def test_a_week_is_monday_to_sunday() -> None:
    assert week_of(date(2026, 10, 18)) == (MONDAY, date(2026, 10, 18))
    assert week_of(MONDAY) == (MONDAY, date(2026, 10, 18))
