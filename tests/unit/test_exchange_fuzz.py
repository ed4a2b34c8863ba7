"""Whatever happens to a pack on its way, reading it ends in a report: no crash, no row lost, none taken twice.

`make fuzz-import` runs this module with many more cases; a case is known by its number and repeats itself.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import pytest

from services.gradebook.exchange import ExchangeError, Limits, Read, Rejection, open_source
from services.gradebook.exchange.oneroster_check import CheckReport, check
from services.gradebook.exchange.oneroster_pack import canonical_name
from services.gradebook.rejections import Code
from sutki.sample.district import generate
from sutki.sample.oneroster import OneRoster
from tests.support.oneroster_packs import as_csv, whole
from tests.support.spoiling import Files, spoil

CASES = 400
LIMITS = Limits(max_total_bytes=64 << 20)
_TORN = frozenset({Code.BAD_ROW, Code.BAD_ENCODING, Code.LINE_TOO_LONG})
_KEPT_LINES = 25


@cache
def packs() -> tuple[Files, ...]:
    """Whole packs of both versions, and what a generated district's schools send, shortened."""
    made: list[Files] = [
        {name: as_csv(table).encode() for name, table in whole(version, mode).items()}
        for version in ("1.1", "1.2")
        for mode in ("bulk", "delta")
    ]
    district = generate(5, datetime(2026, 10, 24, 15, tzinfo=UTC), students=8, schools=2)
    for version, school in zip(("1.1", "1.2"), district.schools, strict=True):
        writer = OneRoster(district, school, version)  # type: ignore[arg-type]
        made += [
            {name: b"\n".join(content.split(b"\n")[:_KEPT_LINES]) for name, content in files.items()}
            for files in (writer.base(), writer.marks(), writer.finals(), writer.exams())
        ]
    return tuple(made)


def run_case(number: int, folder: Path) -> CheckReport:
    """Spoils a pack and reads it in both ways.

    Raises:
        AssertionError: the report contradicts itself, or the import disagrees with the check about what a row is.
    """
    rng = Random(f"fuzz/{number}")
    path = folder / "pack.zip"
    path.write_bytes(spoil(rng.choice(packs()), rng))
    report = check(path, LIMITS)
    assert report.exit_code in (0, 1, 2)
    assert (report.exit_code == 0) == (report.found == 0)
    assert json.loads(json.dumps(report.as_json()))["version"] in ("1.1", "1.2", None)
    by_file: dict[str, set[int]] = {}
    for problem in report.problems:
        assert problem.reason("ru")
        assert problem.reason("en")
        if problem.line is not None:
            by_file.setdefault(problem.file, set()).add(problem.line)
    whole_files = {problem.file for problem in report.problems if problem.line is None}
    for name, count in report.files.items():
        assert 0 <= count.rejected <= count.rows
        if name not in whole_files:
            assert count.rejected == len(by_file.get(name, ())), name
    _import_agrees(path, report, by_file)
    return report


def _import_agrees(path: Path, report: CheckReport, rejected: dict[str, set[int]]) -> None:
    """What the import finds torn, the check has rejected; and no id makes two records of one kind from one file."""
    try:
        with open_source(path, LIMITS) as (source, _):
            for step in source.steps():
                file = canonical_name(step.file)
                taken: Counter[tuple[object, ...]] = Counter()
                lines: set[int] = set()
                for piece in step.pieces():
                    if isinstance(piece, Read):
                        taken[(piece.record.KIND, piece.line, *piece.record.key())] += 1
                        lines.add(piece.line)
                    elif piece.line is not None and piece.code in _TORN and file in report.files:
                        wrong_header = any(
                            problem.file == file and problem.line is None and problem.code == Code.WRONG_HEADER
                            for problem in report.problems
                        )
                        assert wrong_header or piece.line in rejected.get(str(file), ()), (step.file, piece)
                    assert isinstance(piece, Read | Rejection)
                assert all(times == 1 for times in taken.values()), (step.file, taken.most_common(1))
                if file in report.files:
                    assert len(lines) <= report.files[file].rows
    except ExchangeError:
        return


@pytest.mark.parametrize("part", range(4))
def test_spoilt_packs_end_in_a_report_that_holds_together(tmp_path: Path, part: int) -> None:
    exits = Counter(run_case(number, tmp_path).exit_code for number in range(part, CASES, 4))
    assert exits[2] > exits[1], "most of the accidents leave something to read"


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Runs many cases, tells about progress, and ends with 1 at the first that fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    exits: Counter[int] = Counter()
    codes: Counter[str] = Counter()
    began, slowest, failed = time.monotonic(), (0.0, -1), 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.first, arguments.first + arguments.cases):
            started = time.monotonic()
            try:
                report = run_case(number, Path(folder))
            except Exception as error:  # noqa: BLE001 - whatever is raised is what is looked for
                failed += 1
                _tell(f"case {number}: {type(error).__name__}: {error}")
                continue
            slowest = max(slowest, (time.monotonic() - started, number))
            exits[report.exit_code] += 1
            codes.update({str(problem.code) for problem in report.problems})
            if not (number + 1) % 5000:
                _tell(f"{number + 1} cases, {time.monotonic() - began:.0f} s, {failed} failed")
    _tell(f"exits {dict(exits)}; slowest {slowest[0]:.2f} s (case {slowest[1]}); failed {failed}")
    _tell(f"codes met: {dict(codes.most_common())}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
