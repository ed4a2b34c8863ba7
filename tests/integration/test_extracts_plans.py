"""Plans of the hot queries: with a long history they touch what is due and nothing else."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import DISTRICT, Database
from services.extracts.queries import measuring, printing, rendering, requests
from tests.support.builders import OBTAINED_AT, SCHOOL
from tests.support.databases import ServiceDatabases

HISTORY = """
SELECT set_config('sutki.scope', 'district', false);
INSERT INTO schools VALUES ('5c400100-0000-4000-8000-000000000001', 'Школа', '', 'Europe/Moscow', 1);
INSERT INTO persons
SELECT md5('p' || n)::uuid, ARRAY['5c400100-0000-4000-8000-000000000001'::uuid], 'Имя', '7А', 1
FROM generate_series(1, 20000) n;
INSERT INTO result_versions (
    student_id, result_id, value_revision, revision, school_id, kind, subject_title, state, value, held, obtained_at
)
SELECT md5('p' || n % 20000 + 1)::uuid, md5('r' || n)::uuid, 1, 1, '5c400100-0000-4000-8000-000000000001',
    'final_grade', 'Алгебра', 'set', '5', false, '2026-10-23'
FROM generate_series(1, 100000) n;
INSERT INTO extracts (
    extract_id, request_id, request_revision, school_id, student_id, recipient_id, state, due_at, requested_at, number,
    year, ordinal, content_sha256, rendered_at, printed_at, handed_over_at, way, numbered_at
)
SELECT md5('e' || n)::uuid, md5('q' || n)::uuid, 1, '5c400100-0000-4000-8000-000000000001',
    md5('p' || n % 20000 + 1)::uuid, md5('p' || n % 20000 + 1)::uuid,
    CASE WHEN n > 29800 THEN 'requested' WHEN n > 29600 THEN 'numbered' WHEN n > 29400 THEN 'rendered'
        ELSE 'handed_over' END,
    '2026-10-24', '2026-10-23', '2026/' || n, 2026, n, repeat('0', 64), '2026-10-23', '2026-10-23', '2026-10-23',
    'in_person', '2026-10-23'
FROM generate_series(1, 30000) n;
INSERT INTO extract_items (extract_id, result_id, value_revision, school_id)
SELECT md5('e' || n)::uuid, md5('r' || n)::uuid, 1, '5c400100-0000-4000-8000-000000000001'
FROM generate_series(1, 30000) n;
"""
LARGE = {"result_versions", "persons", "extracts", "extract_items", "hand_over_register"}

HOT: list[tuple[str, str, tuple[Any, ...]]] = [
    ("claim ready", rendering._CLAIM_READY, (OBTAINED_AT, 32)),
    ("claim numbered", rendering._CLAIM_NUMBERED, (OBTAINED_AT, 32, OBTAINED_AT)),
    ("lines", rendering._LINES, ([UUID(int=n) for n in range(32)], OBTAINED_AT)),
    ("what is lacking", rendering._COUNT_LACKS, (OBTAINED_AT,)),
    ("next retry", rendering._NEXT_RETRY_SECONDS, ()),
    ("render again", requests._RENDER_AGAIN, ([UUID(int=n) for n in range(500)], OBTAINED_AT)),
    ("cancel of persons", requests._CANCEL_OF_PERSONS, ([uuid4()],)),
    ("queue", printing._QUEUE, (SCHOOL, OBTAINED_AT, 100)),
    ("take", printing._TAKE, (uuid4(), OBTAINED_AT, SCHOOL, None, OBTAINED_AT, 100)),
    ("states", measuring._STATES, (OBTAINED_AT,)),
    ("queues", measuring._PRINT_QUEUES, ()),
    ("earliest due", measuring._EARLIEST_DUE, (OBTAINED_AT,)),
]


@pytest.fixture
async def database(service_database: ServiceDatabases) -> Database:
    database = await service_database("extracts")
    async with service_database.as_superuser("extracts") as conn:
        await conn.execute(HISTORY)
        await conn.execute("VACUUM ANALYZE")
    return database


def whole_scans(plan: Any) -> list[str]:
    """Large tables that the plan reads from end to end."""
    found = []
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] in LARGE:
        found.append(plan["Relation Name"])
    for part in plan.get("Plans", ()):
        found += whole_scans(part)
    return found


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "ARRAY[" + ", ".join(f"'{one}'" for one in value) + "]::uuid[]"
    if isinstance(value, UUID):
        return f"'{value}'::uuid"
    return f"'{value.isoformat()}'::timestamptz" if isinstance(value, datetime) else str(value)


async def test_no_hot_query_reads_a_large_table_from_end_to_end(database):
    slow = {}
    for name, query, arguments in HOT:
        filled = query
        for position in range(len(arguments), 0, -1):
            filled = filled.replace(f"${position}", _literal(arguments[position - 1]))
        async with database.transaction(DISTRICT) as conn:
            plan = await conn.fetchval(f"EXPLAIN (FORMAT JSON) {filled}")
        if scanned := whole_scans(plan[0]["Plan"]):
            slow[name] = scanned
    assert slow == {}
