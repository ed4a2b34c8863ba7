"""The bare reference of the import: PostgreSQL's own `COPY` of the very rows that the import made.

The rows of the results and of their events leave the imported database as binary files, and go from there into the
same tables, with the same indexes and triggers, of another database, in one transaction. Nothing is parsed, checked,
compared or made: it is what the tables themselves cost.
"""

import time
from pathlib import Path

import asyncpg

TABLES = {
    "marks": "",
    "final_grades": "",
    "exam_results": "",
    "disclosures": "",
    "outbox": "WHERE type IN ('gradebook.mark-recorded.v1', 'gradebook.final-grade-set.v1',"
    " 'gradebook.exam-result-recorded.v1')",
}
"""What results leave behind: the tables, and which of their rows."""


async def run(imported: str, empty: str, folder: Path) -> float:
    """Copies what was imported; returns the seconds that the other database took for it.

    Args:
        imported: the database after the import, as its superuser.
        empty: a migrated one with nothing in it, as its superuser.
        folder: for the files.
    """
    source = await asyncpg.connect(imported)
    for table, condition in TABLES.items():
        query = f"SELECT * FROM {table} {condition}"
        await source.copy_from_query(query, output=folder / table, format="binary")
    await source.close()
    target = await asyncpg.connect(empty)
    await target.execute("CHECKPOINT")
    started = time.perf_counter()
    async with target.transaction():
        for table in TABLES:
            await target.copy_to_table(table, source=folder / table, format="binary")
    seconds = time.perf_counter() - started
    await target.close()
    return seconds
