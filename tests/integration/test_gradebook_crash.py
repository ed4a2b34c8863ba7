"""A process that dies between two effects leaves whole transactions: each fact with its event, or neither (I1)."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from chassis.crash import CRASHED
from services.gradebook.records import RecordKind
from tests.integration.test_gradebook_journal import DISTRICT_FILES, Journal, journal
from tests.support.databases import ServiceDatabases

__all__ = ["journal"]

IMPORT = """
import asyncio, sys
from pathlib import Path
from chassis.clock import DatabaseClock
from chassis.database import Database
from services.gradebook.importing import import_files

async def main() -> None:
    database = await Database.connect(sys.argv[1], application_name="crash")
    report = await import_files(database, DatabaseClock(), Path(sys.argv[2]))
    await database.close()
    raise SystemExit(report.exit_code)

asyncio.run(main())
"""

FACTS_WITHOUT_EVENT = """
SELECT result_id FROM final_grades AS f WHERE NOT EXISTS (
    SELECT FROM outbox AS o
    WHERE o.payload::jsonb ->> 'result_id' = f.result_id::text
      AND (o.payload::jsonb ->> 'revision')::bigint = f.revision
)
UNION ALL
SELECT person_id FROM persons AS p WHERE NOT EXISTS (
    SELECT FROM outbox AS o
    WHERE o.payload::jsonb ->> 'person_id' = p.person_id::text
      AND (o.payload::jsonb ->> 'revision')::bigint = p.revision
)
"""
EVENTS_WITHOUT_FACT = """
SELECT o.id FROM outbox AS o
WHERE o.type = 'gradebook.final-grade-set.v1'
  AND NOT EXISTS (SELECT FROM final_grades AS f WHERE f.result_id::text = o.payload::jsonb ->> 'result_id')
"""


async def run_import(url: str, folder: Path, crash_at: str = "") -> int:
    """Imports in a process of its own; returns its exit code."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORT, url, str(folder), env=os.environ | {"SUTKI_CRASH_AT": crash_at}
    )
    return await asyncio.wait_for(process.wait(), 60)


BEFORE_PEOPLE = ("schools", "subjects", "periods")


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        ("gradebook.after_facts_before_outbox", 0),
        ("gradebook.after_outbox_before_commit", 0),
        ("gradebook.after_commit", 1),
    ],
)
async def test_a_crash_leaves_each_fact_with_its_event_and_the_next_import_takes_the_rest(
    journal: Journal, service_database: ServiceDatabases, point: str, kept: int
) -> None:
    url = (await service_database.urls("gradebook")).app
    await journal.take({name: DISTRICT_FILES[name] for name in BEFORE_PEOPLE})
    for name in ("people", "final_grades"):
        files = journal.files({name: DISTRICT_FILES[name]})
        assert await run_import(url, files, point) == CRASHED
        schools = await journal.rows(
            f"SELECT DISTINCT school_id FROM {'person_records' if name == 'people' else 'final_grades'}"
        )
        assert len(schools) == kept
        assert await journal.rows(FACTS_WITHOUT_EVENT) == []
        assert await journal.rows(EVENTS_WITHOUT_FACT) == []
        report = await journal.take(files)
        assert report.exit_code == 0
        assert report.counts[RecordKind(name)].unchanged == (0 if kept == 0 else {"people": 4, "final_grades": 2}[name])
    report = await journal.take(DISTRICT_FILES)
    assert (report.exit_code, report.taken) == (0, 27)
    assert await journal.rows(FACTS_WITHOUT_EVENT) == []
    repeated = await journal.rows("SELECT event_id FROM outbox GROUP BY event_id HAVING count(*) > 1")
    assert repeated == []
