"""The bare reference: the shortest asyncpg + aiokafka program that takes a grade through the same stages.

Rows with their outbox rows in PostgreSQL, to Kafka, and from there into three other databases, one of which makes three
rows of each (its obligations). No framework, no validation, no revisions; the inbox is kept.
"""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

BATCH = 5000
RECIPIENTS = 3

_SCHEMA = """
CREATE TABLE bare_grade (id uuid PRIMARY KEY, student uuid NOT NULL, value text NOT NULL, at timestamptz NOT NULL);
CREATE TABLE bare_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text, payload text, published boolean
);
CREATE TABLE bare_inbox (consumer text, id uuid, PRIMARY KEY (consumer, id));
CREATE TABLE bare_copy (consumer text, id uuid, student uuid, value text, PRIMARY KEY (consumer, id));
CREATE TABLE bare_obligation (id uuid, recipient integer, due timestamptz, PRIMARY KEY (id, recipient));
"""


async def run(urls: Sequence[str], bootstrap: str, topic: str, count: int) -> float:
    """Takes `count` grades through; returns grades per second.

    Args:
        urls: four databases of its own: the owner's and three readers'.
        bootstrap: the broker; the topic exists.
        topic: nobody else's.
        count: how many.
    """
    pools = [await asyncpg.create_pool(url, min_size=1, max_size=4) for url in urls]
    for pool in pools:
        await pool.execute(_SCHEMA)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5, max_batch_size=131_072
    )
    await producer.start()
    consumers = [_consumer(bootstrap, topic, number) for number in range(3)]
    for consumer in consumers:
        await consumer.start()
    started = time.perf_counter()
    readers = [
        asyncio.create_task(_read(consumer, pool, number, count))
        for number, (consumer, pool) in enumerate(zip(consumers, pools[1:], strict=True))
    ]
    relay = asyncio.create_task(_relay(pools[0], producer, topic, count))
    for start in range(0, count, BATCH):
        await _write(pools[0], min(BATCH, count - start))
    await asyncio.gather(relay, *readers)
    seconds = time.perf_counter() - started
    await asyncio.gather(producer.stop(), *(consumer.stop() for consumer in consumers))
    await asyncio.gather(*(pool.close() for pool in pools))
    return count / seconds


async def _write(pool: "asyncpg.Pool[asyncpg.Record]", count: int) -> None:
    ids, students = [uuid4() for _ in range(count)], [uuid4() for _ in range(count)]
    payloads = [
        orjson.dumps({"id": one, "student": student, "value": "5"}).decode()
        for one, student in zip(ids, students, strict=True)
    ]
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "INSERT INTO bare_grade SELECT id, s, '5', now() FROM unnest($1::uuid[], $2::uuid[]) AS r (id, s)",
            ids,
            students,
        )
        await conn.execute(
            "INSERT INTO bare_outbox (key, payload) SELECT * FROM unnest($1::text[], $2::text[])",
            [str(one) for one in students],
            payloads,
        )


async def _relay(pool: "asyncpg.Pool[asyncpg.Record]", producer: AIOKafkaProducer, topic: str, count: int) -> None:
    sent = 0
    while sent < count:
        async with pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(
                "SELECT id, key, payload FROM bare_outbox WHERE published IS NULL ORDER BY id LIMIT 2000 FOR UPDATE"
            )
            futures = [await producer.send(topic, row["payload"].encode(), row["key"].encode()) for row in rows]
            await asyncio.gather(*futures)
            await conn.execute(
                "UPDATE bare_outbox SET published = true WHERE id = ANY($1::bigint[])", [row["id"] for row in rows]
            )
        sent += len(rows)
        await asyncio.sleep(0)


def _consumer(bootstrap: str, topic: str, number: int) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}.{number}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
    )


async def _read(consumer: AIOKafkaConsumer, pool: "asyncpg.Pool[asyncpg.Record]", number: int, count: int) -> None:
    name, taken = f"reader{number}", 0
    while taken < count:
        records = [one for some in (await consumer.getmany(timeout_ms=500, max_records=500)).values() for one in some]
        events = [orjson.loads(record.value) for record in records if record.value]
        ids, students = [UUID(event["id"]) for event in events], [UUID(event["student"]) for event in events]
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("INSERT INTO bare_inbox SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING", name, ids)
            if number == 0:
                await conn.execute(
                    "INSERT INTO bare_obligation SELECT id, n, now() FROM unnest($1::uuid[]) AS i (id), "
                    "generate_series(1, $2) AS n ON CONFLICT DO NOTHING",
                    ids,
                    RECIPIENTS,
                )
            else:
                await conn.execute(
                    "INSERT INTO bare_copy SELECT $1, id, s, '5' FROM unnest($2::uuid[], $3::uuid[]) AS r (id, s) "
                    "ON CONFLICT DO NOTHING",
                    name,
                    ids,
                    students,
                )
        await consumer.commit()
        taken += len(events)
