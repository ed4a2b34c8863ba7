"""A dry run says what an import would do, and nobody who works in the journal waits for it."""

import asyncio
import csv
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic

import pytest

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Connection, Database
from services.gradebook import importing, queries, trial
from services.gradebook.exchange import Piece, Read, Report, Step
from services.gradebook.importing import import_files, import_prepared
from services.gradebook.records import MarkRecord, PersonRecord, RecordKind, from_text
from tests.integration.test_gradebook_journal import DISTRICT_FILES, NOW, Journal
from tests.support.databases import Templates
from tests.support.journals import a_journal

PATIENCE_SECONDS = 30.0
"""So long a dry run goes on when nobody else can write: then the test has failed."""


@pytest.fixture
async def district(service_database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> Journal:
    journal = Journal(await service_database("gradebook"), tmp_path)
    assert (await journal.take(DISTRICT_FILES)).exit_code == 0
    return journal


@pytest.fixture
async def writer(district: Journal, templates: Templates) -> AsyncIterator[Database]:
    """Another service's connections to the same journal."""
    database = await Database.connect(district.database.url, pool_size=2, application_name="writer")
    yield database
    await database.close()


class LongFile:
    """First some records; then a file that does not end until somebody else has written."""

    def __init__(self, first: Step) -> None:
        self.first = first
        self.begun = asyncio.Event()
        self.written = Event()
        self._loop = asyncio.get_running_loop()

    def steps(self) -> list[Step]:
        return [self.first, Step("marks.csv", (RecordKind.MARKS,), 100, self._marks)]

    def ignored(self) -> list[str]:
        return []

    def _marks(self) -> Iterator[Piece]:
        # All of the first step has been taken when its successor is read.
        self._loop.call_soon_threadsafe(self.begun.set)
        until = monotonic() + PATIENCE_SECONDS
        line = 1
        while not self.written.wait(0.001) and monotonic() < until:
            line += 1
            yield Read(line, mark(f"long-{line}", "4"))


def mark(mark_id: str, value: str) -> MarkRecord:
    fields = {"mark_id": mark_id, "student_id": "s1", "subject_id": "alg", "lesson_on": "2026-10-12", "value": value}
    record = from_text(MarkRecord, {**fields, "work_type": "answer"})
    assert isinstance(record, MarkRecord)
    return record


def person(person_id: str, given: str) -> PersonRecord:
    fields = {"person_id": person_id, "role": "student", "family": "Примерова", "given": given, "school_id": "1"}
    record = from_text(PersonRecord, fields)
    assert isinstance(record, PersonRecord)
    return record


async def dry_run_beside(
    district: Journal, writer: Database, first: Step, files: dict[str, str]
) -> tuple[Report, bool]:
    """A dry run, in the midst of which somebody else imports files; and whether that one was done before it."""
    long = LongFile(first)
    report = Report(dry_run=True)
    looking = asyncio.create_task(import_prepared(district.database, district.clock, long, report))
    await long.begun.wait()
    writing = asyncio.create_task(import_files(writer, district.clock, district.files(files)))
    done, _ = await asyncio.wait({looking, writing}, return_when=asyncio.FIRST_COMPLETED)
    first_done = done == {writing}
    long.written.set()
    assert (await writing).rejections == []
    await looking
    assert report.rejections == []
    return report, first_done


async def test_who_writes_what_a_dry_run_looks_at_is_done_before_it(
    district: Journal, writer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "READ_AT_ONCE", 20)
    monkeypatch.setattr(trial, "OLD_SECONDS", 10 * PATIENCE_SECONDS)
    people = [Read(2, person("s1", "Алла")), Read(3, person("new", "Нина"))]
    first = Step("people.csv", (RecordKind.PEOPLE,), 3, lambda: iter(people))
    same_person = {"people": "person_id,role,family,given,school_id\ns1,student,Примерова,Инна,1\n"}
    report, written_meanwhile = await dry_run_beside(district, writer, first, same_person)
    assert written_meanwhile
    assert (report.of(RecordKind.PEOPLE).added, report.of(RecordKind.PEOPLE).changed) == (1, 1)
    assert report.of(RecordKind.MARKS).added > 0
    kept = await district.rows("SELECT given FROM person_records WHERE family = 'Примерова' ORDER BY given")
    assert [row["given"] for row in kept] == ["Инна"]


async def test_marks_are_locked_for_one_batch_only_and_not_until_somebody_asks(
    district: Journal, writer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Connection) -> bool:
        return False

    monkeypatch.setattr(importing, "READ_AT_ONCE", 20)
    monkeypatch.setattr(queries, "somebody_waits", never)
    monkeypatch.setattr(trial, "OLD_SECONDS", 10 * PATIENCE_SECONDS)
    first = Step("marks.csv", (RecordKind.MARKS,), 3, lambda: iter([Read(2, mark("new", "3"))]))
    same_mark = {
        "marks": (
            "mark_id,student_id,subject_id,lesson_on,work_type,value\n"
            "new,s1,alg,2026-10-12,answer,5\nm1,s1,alg,2026-10-12,control_work,3\n"
        )
    }
    _, written_meanwhile = await dry_run_beside(district, writer, first, same_mark)
    assert written_meanwhile
    kept = await district.rows("SELECT value FROM marks WHERE external_id = 'new'")
    assert [row["value"] for row in kept] == ["5"]


async def test_an_old_transaction_of_a_dry_run_is_begun_anew(
    district: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 1)
    monkeypatch.setattr(trial, "OLD_SECONDS", -1000.0)
    taken_back = 0
    end = trial.Trial.end

    async def counted(one: trial.Trial) -> None:
        nonlocal taken_back
        taken_back += 1
        await end(one)

    monkeypatch.setattr(trial.Trial, "end", counted)
    await district.take(DISTRICT_FILES, dry_run=True)
    assert taken_back > 20


@pytest.mark.parametrize("seed", range(4))
async def test_a_dry_run_that_always_gives_way_tells_what_the_import_then_does(
    service_database: Callable[[str], Awaitable[Database]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    async def always(_: Connection) -> bool:
        return True

    monkeypatch.setattr(queries, "somebody_waits", always)
    monkeypatch.setattr(importing, "BATCH", 3)
    monkeypatch.setattr(importing, "READ_AT_ONCE", 5)
    database, chance = await service_database("gradebook"), Random(seed)
    source = a_journal(tmp_path / "source", chance)
    spoil(source, chance)
    clock = FixedClock(NOW)
    before = await everything(database)
    looked = await import_files(database, clock, source, dry_run=True)
    assert await everything(database) == before
    done = await import_files(database, clock, source)
    assert done.rejections != []
    assert (looked.counts, looked.rejections) == (done.counts, done.rejections)


def spoil(folder: Path, chance: Random) -> None:
    """Leaves out some rows, so that others have nothing to refer to."""
    for name in ("people", "groups", "lessons", "periods"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        del rows[chance.randrange(len(rows))]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *rows])


async def everything(database: Database) -> dict[str, int]:
    """How many rows each table has."""
    async with database.transaction(DISTRICT) as conn:
        names = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        return {row[0]: await conn.fetchval(f'SELECT count(*) FROM "{row[0]}"') for row in names}
