"""The pack of the import benchmark is what it says: right by the standard, as large as asked for, always the same."""

from datetime import date
from pathlib import Path

from services.gradebook.exchange.oneroster_check import check
from tests.bench.school_pack import SUBJECTS, write_pack

TODAY = date(2026, 11, 20)


def test_the_pack_is_clean_and_has_the_results_that_were_asked_for(tmp_path: Path) -> None:
    write_pack(tmp_path / "school.zip", 15_123, TODAY)
    report = check(tmp_path / "school.zip")
    assert (report.version, report.found, report.problems) == ("1.2", 0, [])
    assert not report.unknown_files
    accepted = {name: count.accepted for name, count in report.files.items()}
    assert accepted["results.csv"] == 15_123
    assert accepted["users.csv"] == 30
    assert accepted["classes.csv"] == 2 * len(SUBJECTS)
    assert accepted["enrollments.csv"] == 30 * len(SUBJECTS)


def test_the_same_seed_makes_the_same_pack_and_another_one_another(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        write_pack(tmp_path / name, 2_000, TODAY, seed)
    one, same, other = ((tmp_path / name).read_bytes() for name in ("one", "same", "other"))
    assert one == same != other
