"""Whether the services have taken what the broker has: by the offsets that they committed, not by a pause."""

from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chassis.clock import DatabaseClock
from chassis.consuming import Consumer
from chassis.database import DISTRICT, Database
from chassis.settings import load
from services.cabinet.subscribers import projection_consumer
from services.consent.subscribers import people
from services.extracts.subscribers import paper_consumer
from services.gradebook.subscribers import disclosures
from services.publisher.settings import Settings as PublisherSettings
from services.publisher.subscribers import make_consumer
from sutki import environment
from tests.support.waiting import eventually

Offsets = dict[TopicPartition, int]


def _publisher(database: Database) -> Consumer:
    return make_consumer(database, DatabaseClock(), load(PublisherSettings).policy())


CONSUMERS: dict[str, Callable[[Database], Consumer]] = {
    "cabinet": lambda database: projection_consumer(database, DatabaseClock()),
    "consent": lambda database: people(database, DatabaseClock()),
    "extracts": lambda database: paper_consumer(database, DatabaseClock()),
    "gradebook": lambda database: disclosures(database, DatabaseClock()),
    "publisher": _publisher,
}


async def everything_taken(bootstrap: str, *, within: float = 60) -> None:
    """Waits until every service has taken all that the outboxes hold now, and what followed from that.

    An inbox would not tell: an event that is sent again has been in it since the first time. An offset is committed
    after the database, so a committed one is behind everything that the record changed.
    """
    # What is taken may be answered: once for what is here now, once for the answers.
    for _ in range(2):
        await eventually(_all_sent, within=within, what="empty outboxes")
        for service, make in CONSUMERS.items():
            async with environment.database(service) as database:
                consumer = make(database)
            await eventually(await _taken(bootstrap, consumer), within=within, what=f"the end, for {consumer.name}")


async def _all_sent() -> bool:
    for service in environment.SERVICES:
        async with environment.database(service) as database, database.transaction(DISTRICT) as conn:
            if await conn.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"):
                return False
    return True


async def _taken(bootstrap: str, consumer: Consumer) -> Callable[[], Awaitable[bool]]:
    """A question for now's ends: what comes later (the heartbeat never stops) does not move them."""
    ends = await _ends(bootstrap, consumer.topics())

    async def reached() -> bool:
        client = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=consumer.name, enable_auto_commit=False)
        await client.start()
        try:
            return all([(await client.committed(one) or 0) >= end for one, end in ends.items()])
        finally:
            await client.stop()

    return reached


async def _ends(bootstrap: str, topics: Sequence[str]) -> Offsets:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await admin.start()
    await client.start()
    try:
        described = await admin.describe_topics(list(topics))
        partitions = [
            TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]
        ]
        return dict(await client.end_offsets(partitions))
    finally:
        await client.stop()
        await admin.close()
