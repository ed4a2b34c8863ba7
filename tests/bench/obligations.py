"""The obligations benchmark: events of final grades, as they come from the broker, to what is owed about them.

Run by itself: `python -m tests.bench.obligations --grades 20000`, or `make bench ARGS="--only obligations"`. Writes
`bench-results/obligations.json`. Ours decodes the events, keeps the inbox, and routes by people, consents and accounts;
the bare reference writes the same rows by plain SQL in transactions as large. One process and one connection each.
"""

import argparse
import asyncio
import time
from typing import Any
from uuid import uuid4

import asyncpg

from chassis.database import Database
from chassis.migrations import migrate
from sutki.console import out
from sutki.stack.postgres import EmbeddedPostgres
from tests.bench.bare import obligations as bare
from tests.bench.figures import figures, in_words, keep
from tests.integration.publisher_district import District, Family
from tests.support import folders
from tests.support.databases import SERVICES_FOLDER

GRADES = 10_000
FAMILIES = 600
BATCH = 500


async def measure(grades: int) -> dict[str, Any]:
    """Opens obligations both ways and returns the figures."""
    folder = folders.make("bench-obligations")
    try:
        async with EmbeddedPostgres(folder / "postgres") as postgres:
            await postgres.prepare(["publisher"])
            await migrate(postgres.owner_url("publisher"), "publisher", SERVICES_FOLDER / "publisher" / "migrations")
            database = await Database.connect(postgres.url("publisher"), application_name="bench")
            try:
                families, ours = await _ours(database, grades)
            finally:
                await database.close()
            admin = await asyncpg.connect(postgres.superuser_url())
            await admin.execute("CREATE DATABASE bare")
            await admin.close()
            people = [(one.student, one.mother, one.father, one.student) for one in families]
            reference = await bare.run(postgres.superuser_url("bare"), people, grades, BATCH)
            return figures("obligations opened", ours=ours, bare=reference, unit="obligations/s", grades=grades)
    finally:
        folders.remove(folder)


async def _ours(database: Database, grades: int) -> tuple[list[Family], float]:
    district = District(database)
    await district.hear()
    await district.tell(district.school())
    families = [district.family() for _ in range(FAMILIES)]
    for one in families:
        await district.tell(one.person(), one.account(one.mother), one.consent(one.mother))
    records = [
        [
            district.record(families[number % FAMILIES].grade(uuid4()))
            for number in range(start, min(start + BATCH, grades))
        ]
        for start in range(0, grades, BATCH)
    ]
    started = time.perf_counter()
    for part in records:
        await district.consumer.process(part)
    seconds = time.perf_counter() - started
    [row] = await district.query("SELECT count(*) AS obligations FROM obligations")
    assert row["obligations"] == 3 * grades
    return families, row["obligations"] / seconds


def run(grades: int) -> bool:
    """Measures, keeps and shows."""
    taken = asyncio.run(measure(grades))
    keep("obligations.json", taken)
    out.print(in_words(taken))
    return True


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grades", type=int, default=GRADES)
    run(parser.parse_args().grades)


if __name__ == "__main__":
    main()
