"""What the five databases hold now, in figures that can be compared."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from chassis.database import DISTRICT, Database

Versions = dict[tuple[UUID, int], int]
"""(aggregate, version of its value) to revision."""

_GRADEBOOK_RESULTS = """
SELECT result_id AS id, value_revision AS version, revision FROM final_grades
UNION ALL SELECT result_id, value_revision, revision FROM exam_results
"""
_PUBLISHER_RESULTS = "SELECT result_id AS id, value_revision AS version, revision FROM results"
_CABINET_RESULTS = """
SELECT DISTINCT ON (result_id) result_id AS id, value_revision AS version, revision
FROM results ORDER BY result_id, value_revision DESC
"""
_EXTRACTS_RESULTS = """
SELECT DISTINCT ON (result_id) result_id AS id, value_revision AS version, revision
FROM result_versions ORDER BY result_id, value_revision DESC
"""
_GRADEBOOK_MARKS = "SELECT mark_id AS id, 1 AS version, revision FROM marks"
_CABINET_MARKS = "SELECT mark_id AS id, 1 AS version, revision FROM marks"

RESULTS = {
    "gradebook": _GRADEBOOK_RESULTS,
    "publisher": _PUBLISHER_RESULTS,
    "cabinet": _CABINET_RESULTS,
    "extracts": _EXTRACTS_RESULTS,
}
MARKS = {"gradebook": _GRADEBOOK_MARKS, "cabinet": _CABINET_MARKS}


@dataclass(frozen=True)
class Obligations:
    """The publisher's obligations in figures."""

    total: int
    open: int
    screen: int
    paper: int
    with_representative: int
    late_by_us: int
    late_at_source: int
    overdue: int


_OBLIGATIONS = """
SELECT count(*) FILTER (WHERE state IN ('open', 'available')) AS total,
       count(*) FILTER (WHERE state = 'open') AS open,
       count(*) FILTER (WHERE state = 'available' AND route = 'screen') AS screen,
       count(*) FILTER (WHERE state = 'available' AND route = 'paper') AS paper,
       count(*) FILTER (WHERE state = 'available' AND route = 'with_representative') AS with_representative,
       count(*) FILTER (WHERE late = 'by_us') AS late_by_us,
       count(*) FILTER (WHERE late = 'at_source') AS late_at_source,
       count(*) FILTER (WHERE state = 'open' AND overdue_at IS NOT NULL) AS overdue
FROM obligations
"""
_MAILS = "SELECT state, count(*) AS mails FROM notifications GROUP BY state"
_PRINTED = "SELECT count(*) FROM extracts WHERE state IN ('printed', 'handed_over')"
_WAITING = "SELECT count(*) FROM extracts WHERE state IN ('requested', 'numbered', 'rendered')"
_OUTBOX = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
_LETTERS = "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL AND discarded_at IS NULL"


async def versions(database: Database, query: str) -> Versions:
    """What a service holds of results or marks."""
    async with database.transaction(DISTRICT) as conn:
        return {(row["id"], row["version"]): row["revision"] for row in await conn.fetch(query)}


def missing(source: Versions, copies: Collection[Versions]) -> int:
    """Facts of the owner that a copy lacks, has in another revision, or has though the owner does not."""
    return sum(len(source.items() ^ copy.items()) for copy in copies)


async def obligations(database: Database) -> Obligations:
    """The publisher's."""
    async with database.transaction(DISTRICT) as conn:
        row = await conn.fetchrow(_OBLIGATIONS)
    if row is None:
        raise RuntimeError("an aggregate always has a row")
    return Obligations(**dict(row))


async def mails(database: Database) -> dict[str, int]:
    """The publisher's mails by state."""
    async with database.transaction(DISTRICT) as conn:
        return {row["state"]: row["mails"] for row in await conn.fetch(_MAILS)}


async def printed(database: Database) -> tuple[int, int]:
    """Extracts that are printed, and those that wait."""
    async with database.transaction(DISTRICT) as conn:
        return await conn.fetchval(_PRINTED), await conn.fetchval(_WAITING)


async def unsent(database: Database) -> tuple[int, int]:
    """Events that are not with the broker yet, and dead letters."""
    async with database.transaction(DISTRICT) as conn:
        return await conn.fetchval(_OUTBOX), await conn.fetchval(_LETTERS)
