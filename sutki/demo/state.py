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
_MAILS = "SELECT state, count(*) AS mails FROM notifications WHERE channel = 'email' GROUP BY state"
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


# --- the journal ----------------------------------------------------------------------------------------------------

_GROUP = "JOIN study_groups AS g ON g.group_id = f.group_id"
_ANY_GROUP = "LEFT JOIN study_groups AS g ON g.group_id = f.group_id"
_AUTHOR = "LEFT JOIN persons AS a ON a.person_id = f.author_id"
_TEACHER = "LEFT JOIN persons AS t ON t.person_id = f.teacher_id"
_FACTS = {
    # Each fact as the sample states it: by the journal's ids and as text, with the empty text for nothing.
    "timetable_slots": f"""
        SELECT f.external_id, g.external_id, f.weekday::text, f.number::text, coalesce(t.external_id, ''),
               f.valid_from::text
        FROM timetable_slots AS f {_GROUP} {_TEACHER} WHERE f.state = 'active'
    """,
    "lessons": f"""
        SELECT f.external_id, g.external_id, f.lesson_on::text, f.number::text, coalesce(t.external_id, ''), f.state
        FROM lessons AS f {_GROUP} {_TEACHER}
    """,
    "substitutions": f"""
        SELECT f.external_id, g.external_id, f.lesson_on::text, f.number::text, coalesce(t.external_id, ''), f.kind
        FROM substitutions AS f {_GROUP} LEFT JOIN persons AS t ON t.person_id = f.new_teacher_id
        WHERE f.state = 'announced'
    """,
    "control_works": f"""
        SELECT f.external_id, g.external_id, f.planned_on::text, f.number::text, coalesce(a.external_id, ''), f.title
        FROM control_works AS f {_GROUP} {_AUTHOR} WHERE f.state = 'planned'
    """,
    "homework": f"""
        SELECT f.external_id, g.external_id, f.assigned_on::text, coalesce(f.due_on::text, ''),
               coalesce(a.external_id, ''), f.content
        FROM homework AS f {_GROUP} {_AUTHOR} WHERE f.state = 'assigned'
    """,
    "recommendations": f"""
        SELECT f.external_id, coalesce(g.external_id, ''), f.given_on::text, coalesce(s.external_id, ''),
               coalesce(a.external_id, ''), f.kind
        FROM recommendations AS f {_ANY_GROUP} {_AUTHOR} LEFT JOIN persons AS s ON s.person_id = f.student_id
        WHERE f.state = 'given'
    """,
    "attendance": f"""
        SELECT f.external_id, coalesce(g.external_id, ''), f.lesson_on::text, s.external_id,
               coalesce(a.external_id, ''), f.code
        FROM attendance AS f {_ANY_GROUP} {_AUTHOR} JOIN persons AS s ON s.person_id = f.student_id
        WHERE f.state = 'recorded'
    """,
}
_DEFERRALS = """
SELECT p.external_id, s.external_id, d.due_on::text
FROM deferrals AS d JOIN persons AS p ON p.person_id = d.student_id JOIN subjects AS s USING (subject_id)
WHERE d.state IN ('approved', 'due')
"""
_DEFERRED = """
SELECT count(*) FROM (
    SELECT DISTINCT ON (result_id) state FROM results ORDER BY result_id, value_revision DESC
) AS r WHERE state = 'deferred'
"""
_FORECASTS = """
SELECT p.external_id, s.external_id, t.kind, t.number::text
FROM forecasts AS f
JOIN persons AS p ON p.person_id = f.student_id
JOIN subjects AS s USING (subject_id)
JOIN periods AS t USING (period_id)
WHERE f.state = 'current'
"""
_FORECASTS_DUE = "SELECT count(*) FROM forecast_due"
_FIRST_QUARTERS = """
SELECT school_id, period_id, school_year FROM periods WHERE kind = 'quarter' AND number = 1 ORDER BY school_id
"""


async def journal_facts(gradebook: Database, table: str) -> list[tuple[str, ...]]:
    """Everything that a table of the journal states now."""
    async with gradebook.transaction(DISTRICT) as conn:
        return [tuple(row) for row in await conn.fetch(_FACTS[table])]


async def deferrals(gradebook: Database) -> list[tuple[str, ...]]:
    """Student, subject and last day of the deferrals that the head granted."""
    async with gradebook.transaction(DISTRICT) as conn:
        return [tuple(row) for row in await conn.fetch(_DEFERRALS)]


async def deferred_results(cabinet: Database) -> int:
    """Results of which the cabinet says that they are deferred."""
    async with cabinet.transaction(DISTRICT) as conn:
        return int(await conn.fetchval(_DEFERRED))


async def forecasts(gradebook: Database) -> list[tuple[str, ...]]:
    """Student, subject and period of the forecasts that are shown."""
    async with gradebook.transaction(DISTRICT) as conn:
        return [tuple(row) for row in await conn.fetch(_FORECASTS)]


async def forecasts_due(gradebook: Database) -> int:
    """How many forecasts wait to be computed anew."""
    async with gradebook.transaction(DISTRICT) as conn:
        return int(await conn.fetchval(_FORECASTS_DUE))


async def first_quarters(gradebook: Database) -> list[tuple[UUID, UUID, str]]:
    """School, period and school year of the first quarter of every school."""
    async with gradebook.transaction(DISTRICT) as conn:
        return [tuple(row) for row in await conn.fetch(_FIRST_QUARTERS)]
