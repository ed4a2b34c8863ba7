"""The bare reference of obligations: the rows that a final grade leaves in the publisher, by plain SQL in batches."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

_SCHEMA = """
CREATE TABLE bare_inbox (consumer text, id uuid, PRIMARY KEY (consumer, id));
CREATE TABLE bare_result (id uuid PRIMARY KEY, student uuid NOT NULL, value text NOT NULL, obtained_at timestamptz);
CREATE INDEX ON bare_result (student, obtained_at);
CREATE TABLE bare_obligation (
    result uuid, recipient uuid, student uuid, due_at timestamptz, route text, state text,
    PRIMARY KEY (result, recipient)
);
CREATE INDEX ON bare_obligation (due_at) WHERE state = 'open';
CREATE INDEX ON bare_obligation (student) WHERE state = 'open';
"""
_INBOX = "INSERT INTO bare_inbox SELECT 'bare', unnest($1::uuid[]) ON CONFLICT DO NOTHING"
_RESULTS = "INSERT INTO bare_result SELECT r, s, '5', $3 FROM unnest($1::uuid[], $2::uuid[]) AS v (r, s)"
_OBLIGATIONS = """
INSERT INTO bare_obligation SELECT r, p, s, $4, 'screen', 'open'
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS v (r, p, s)
"""


async def run(url: str, families: Sequence[tuple[UUID, ...]], results: int, batch: int) -> float:
    """Writes the rows; returns obligations per second.

    Args:
        url: a database of its own.
        families: each a student and the recipients of their results.
        results: how many, of the families in turn.
        batch: results in a transaction.
    """
    conn = await asyncpg.connect(url)
    await conn.execute(_SCHEMA)
    obligations, now = 0, datetime.now(UTC)
    started = time.perf_counter()
    for start in range(0, results, batch):
        part = [(uuid4(), families[number % len(families)]) for number in range(start, min(start + batch, results))]
        owed = [(result, person, family[0]) for result, family in part for person in family[1:]]
        async with conn.transaction():
            await conn.execute(_INBOX, [result for result, _ in part])
            await conn.execute(_RESULTS, [result for result, _ in part], [family[0] for _, family in part], now)
            await conn.execute(
                _OBLIGATIONS, *(list(column) for column in zip(*owed, strict=True)), now + timedelta(days=1)
            )
        obligations += len(owed)
    seconds = time.perf_counter() - started
    await conn.close()
    return obligations / seconds
