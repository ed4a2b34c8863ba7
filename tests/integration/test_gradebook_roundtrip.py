"""What is exported and imported again is the same journal; and where it came from, importing it changes nothing."""

import asyncio
import csv
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from services.gradebook.exchange import Report
from services.gradebook.exchange.exporting import Wanted, cell, export_plain, resolve_school, snapshot
from services.gradebook.exchange.exporting_oneroster import export_oneroster
from services.gradebook.exchange.exporting_queries import RECORDS
from services.gradebook.exchange.oneroster_check import check
from services.gradebook.exchange.oneroster_schema import Version
from services.gradebook.importing import import_files
from services.gradebook.records import MODELS, RecordKind
from sutki.cli import app
from tests.support.databases import Templates
from tests.support.journals import a_journal

NOW = datetime(2026, 10, 25, 12, 0, tzinfo=UTC)
Rows = dict[str, list[tuple[str, ...]]]


@pytest.fixture
async def empty(templates: Templates) -> AsyncIterator[Database]:
    """A second gradebook with nothing in it."""
    urls = await templates.clone("gradebook")
    database = await Database.connect(urls.app, pool_size=2, application_name="second")
    yield database
    await database.close()
    await templates.drop(urls)


async def take(database: Database, path: Path) -> Report:
    report = await import_files(database, FixedClock(NOW), path)
    assert report.rejections == []
    return report


async def contents(database: Database) -> Rows:
    """All that holds, by the source's ids."""
    found: Rows = {}
    async with snapshot(database, Wanted()) as journal:
        for kind in RecordKind:
            found[str(kind)] = sorted([tuple(map(cell, row)) async for row in journal.records(kind)])
    return found


async def told(database: Database) -> int:
    async with database.transaction(DISTRICT) as conn:
        return int(await conn.fetchval("SELECT count(*) FROM outbox"))


def changed(report: Report) -> dict[str, tuple[int, int]]:
    return {
        str(kind): (count.added, count.changed) for kind, count in report.counts.items() if count.added or count.changed
    }


async def test_every_kind_of_record_is_exported_with_exactly_its_columns(
    service_database: Callable[[str], Awaitable[Database]],
) -> None:
    database = await service_database("gradebook")
    assert set(RECORDS) == set(RecordKind)
    async with database.transaction(DISTRICT) as conn:
        for kind, model in MODELS.items():
            statement = await conn.prepare(RECORDS[kind])
            assert sorted(column.name for column in statement.get_attributes()) == sorted(model.model_fields), kind


@pytest.mark.parametrize("seed", range(4))
async def test_plain_files_bring_the_whole_journal_over(
    service_database: Callable[[str], Awaitable[Database]], empty: Database, tmp_path: Path, seed: int
) -> None:
    database = await service_database("gradebook")
    await take(database, a_journal(tmp_path / "source", Random(seed)))
    before, events = await contents(database), await told(database)
    path = tmp_path / ("out.zip" if seed % 2 else "out")
    exported = await export_plain(database, path, Wanted())
    assert all(exported.rows[f"{kind}.csv"] == len(rows) for kind, rows in before.items())
    assert min(exported.rows.values()) > 0, "the journal has something of every kind"
    assert changed(await take(database, path)) == {}
    assert await told(database) == events
    await take(empty, path)
    assert await contents(empty) == before


async def test_no_text_of_plain_files_runs_as_a_formula_and_each_comes_back_as_it_was(
    service_database: Callable[[str], Awaitable[Database]], empty: Database, tmp_path: Path
) -> None:
    database = await service_database("gradebook")
    source = a_journal(tmp_path / "source", Random(5), kinds=frozenset({"schools", "subjects"}))
    texts = ["=1+1", "+7 900", "-", "@SUM(A1)", "'=1", "''-1", "'т Хофт", "О'Нил", '=HYPERLINK("http://x";"5")']
    people = [
        "person_id,role,family,given,school_id",
        *(f"=x{n},teacher,t{n},Анна,school/1" for n in range(len(texts))),
    ]
    (source / "people.csv").write_text("\n".join(people), encoding="utf-8")
    await take(database, source)
    async with database.transaction(DISTRICT) as conn:
        for number, text in enumerate(texts):
            await conn.execute("UPDATE person_records SET family = $1 WHERE family = $2", text, f"t{number}")
    await export_plain(database, tmp_path / "out", Wanted())
    for file in (tmp_path / "out").iterdir():
        with file.open(encoding="utf-8", newline="") as lines:
            assert not any(
                cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in csv.reader(lines) for cell in row
            )
    before = await contents(database)
    assert changed(await take(database, tmp_path / "out")) == {}
    await take(empty, tmp_path / "out")
    assert await contents(empty) == before
    async with empty.transaction(DISTRICT) as conn:
        kept = [row["family"] for row in await conn.fetch("SELECT family FROM person_records")]
    assert sorted(kept) == sorted(texts)


ONEROSTER_KINDS = frozenset(
    {
        "schools", "subjects", "periods", "people", "groups", "members", "representatives", "teaching", "marks",
        "final_grades", "exam_results",
    }
)  # fmt: skip


def standard(rows: Rows) -> Rows:
    """What OneRoster carries: authority that is in force."""
    return {
        kind: [row for row in found if kind != "representatives" or "false" not in row]
        for kind, found in rows.items()
        if kind in ONEROSTER_KINDS
    }


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_oneroster_pack_is_clean_changes_nothing_here_and_brings_the_same_journal_there(
    service_database: Callable[[str], Awaitable[Database]],
    empty: Database,
    tmp_path: Path,
    seed: int,
    version: Version,
) -> None:
    database = await service_database("gradebook")
    await take(database, a_journal(tmp_path / "source", Random(seed)))
    events = await told(database)
    pack = tmp_path / "pack.zip"
    await export_oneroster(database, pack, Wanted(), version)
    report = check(pack)
    assert (report.problems, report.version) == ([], version)
    assert changed(await take(database, pack)) == {}
    assert await told(database) == events
    # What the standard has no file for comes over in plain files first; the pack brings the rest.
    plain = tmp_path / "plain"
    await export_plain(database, plain, Wanted())
    for kind in ONEROSTER_KINDS - {"schools", "subjects", "periods", "people", "groups"}:
        (plain / f"{kind}.csv").unlink()
    for later in ("attendance", "homework", "recommendations"):
        (plain / f"{later}.csv").unlink()
    await take(empty, plain)
    await take(empty, pack)
    assert standard(await contents(empty)) == standard(await contents(database))


async def test_a_oneroster_pack_alone_brings_every_mark_and_after_the_lessons_also_the_lesson_of_each(
    service_database: Callable[[str], Awaitable[Database]], empty: Database, tmp_path: Path
) -> None:
    database = await service_database("gradebook")
    await take(database, a_journal(tmp_path / "source", Random(3)))
    pack, plain = tmp_path / "pack.zip", tmp_path / "plain"
    await export_oneroster(database, pack, Wanted(), "1.2")
    await export_plain(database, plain, Wanted())
    await take(empty, pack)
    async with database.transaction(DISTRICT) as conn:
        columns = [column.name for column in (await conn.prepare(RECORDS[RecordKind.MARKS])).get_attributes()]
    lesson = columns.index("lesson_id")
    here, there = (await contents(database))["marks"], (await contents(empty))["marks"]
    assert any(mark[lesson] for mark in here)
    assert there == [(*mark[:lesson], "", *mark[lesson + 1 :]) for mark in here]
    await take(empty, plain)
    await take(empty, pack)
    assert (await contents(empty))["marks"] == here


async def test_a_change_since_an_instant_is_small_and_brings_another_journal_up_to_date(
    service_database: Callable[[str], Awaitable[Database]], empty: Database, tmp_path: Path
) -> None:
    database = await service_database("gradebook")
    source = a_journal(tmp_path / "source", Random(7))
    await take(database, source)
    await take(empty, source)
    clock = FixedClock(NOW)
    for place, form in enumerate(("plain", "oneroster")):
        clock.advance(timedelta(hours=1))
        change = tmp_path / f"change-{form}"
        change.mkdir()
        rewrite(source / "marks.csv", change / "marks.csv", place, value="1")
        rewrite(source / "final_grades.csv", change / "final_grades.csv", place, state="withdrawn")
        assert (await import_files(database, clock, change)).rejections == []
        out, wanted = tmp_path / f"out-{form}.zip", Wanted(since=clock.at)
        if form == "plain":
            exported = await export_plain(database, out, wanted)
            assert (exported.rows["marks.csv"], exported.rows["final_grades.csv"]) == (1, 1)
        else:
            exported = await export_oneroster(database, out, wanted, "1.2")
            assert (exported.rows["results.csv"], exported.rows["users.csv"]) == (2, 0)
            assert check(out).problems == []
        assert (await import_files(empty, clock, out)).rejections == []
        assert await contents(empty) == await contents(database)


def rewrite(source: Path, target: Path, place: int, **values: str) -> None:
    """One row of a file, with other values."""
    with source.open(encoding="utf-8", newline="") as file:
        row = list(csv.DictReader(file))[place] | values
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)


async def test_one_schools_export_has_nothing_of_another(
    service_database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    database = await service_database("gradebook")
    seed = next(n for n in range(99) if Random(n).randint(1, 2) == 2)
    await take(database, a_journal(tmp_path / "source", Random(seed)))
    school_id = await resolve_school(database, "district", "school/2")
    assert school_id is not None
    assert await resolve_school(database, "district", str(school_id)) == school_id
    assert await resolve_school(database, "district", "school/9") is None
    await export_plain(database, tmp_path / "plain", Wanted(school_id=school_id))
    await export_oneroster(database, tmp_path / "pack", Wanted(school_id=school_id), "1.2")
    for path in (tmp_path / "plain", tmp_path / "pack"):
        text = "".join(file.read_text(encoding="utf-8") for file in path.glob("*.csv"))
        assert "school/2-student" in text
        assert "school/1" not in text


async def test_all_files_of_an_export_show_one_moment(
    service_database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    database = await service_database("gradebook")
    source = a_journal(tmp_path / "source", Random(1))
    async with snapshot(database, Wanted()) as journal:
        before = [row async for row in journal.records(RecordKind.SCHOOLS)]
        await take(database, source)
        assert before == [row async for row in journal.records(RecordKind.SCHOOLS)] == []
    assert (await contents(database))["schools"]


async def test_an_archive_is_its_owners_and_has_its_name_only_when_it_is_whole(
    service_database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    database = await service_database("gradebook")
    pack = tmp_path / "out" / "pack.zip"

    def fail(name: str, _: int) -> None:
        if name == "users.csv":
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        await export_oneroster(database, pack, Wanted(), "1.1", fail)
    assert list(pack.parent.iterdir()) == []
    await export_oneroster(database, pack, Wanted(), "1.1")
    assert pack.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in pack.parent.iterdir()] == ["pack.zip"]


async def test_the_command_exports_a_school_and_refuses_one_that_nobody_knows(
    service_database: Callable[[str], Awaitable[Database]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await service_database("gradebook")
    await take(database, a_journal(tmp_path / "source", Random(2)))
    monkeypatch.setenv("SUTKI_GRADEBOOK_DATABASE_URL", database.url)
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    pack = tmp_path / "pack.zip"

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["export", str(pack), *arguments])
        return result.exit_code, result.output

    code, text = await asyncio.to_thread(run, "--school", "school/1", "--format", "oneroster11")
    assert (code, check(pack).version, check(pack).problems) == (0, "1.1", [])
    assert "results.csv" in text
    code, text = await asyncio.to_thread(run, "--school", "school/99")
    assert code == 1
    assert "school/99" in text
