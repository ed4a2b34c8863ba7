"""Topics exist before anybody uses them, with their final number of partitions."""

import asyncio
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

RETENTION_MS = 30 * 24 * 3600 * 1000
"""Thirty days; older facts come from their owners by replay."""


async def ensure_topics(
    bootstrap: str, topics: Mapping[str, bool], *, partitions: int, replication_factor: int, prefix: str = ""
) -> list[str]:
    """Creates the topics that are missing.

    Args:
        bootstrap: the brokers.
        topics: name to whether only the last message of a key is kept.
        partitions: of new topics; topics that exist stay as they are.
        replication_factor: copies of each partition.
        prefix: put before every name.

    Returns:
        The names that were created.

    Raises:
        KafkaError: the broker refused or cannot be reached.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        absent = {prefix + name: compacted for name, compacted in topics.items() if prefix + name not in existing}
        wanted = [
            NewTopic(
                name,
                num_partitions=partitions,
                replication_factor=replication_factor,
                topic_configs=(
                    {"cleanup.policy": "compact"}
                    if compacted
                    else {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)}
                ),
            )
            for name, compacted in sorted(absent.items())
        ]
        if wanted:
            try:
                await admin.create_topics(wanted)
            except TopicAlreadyExistsError:
                # Another process was quicker with at least one of them: take the rest one by one.
                return await ensure_topics(
                    bootstrap, topics, partitions=partitions, replication_factor=replication_factor, prefix=prefix
                )
        return sorted(absent)
    finally:
        await admin.close()


async def broker_answers(bootstrap: str, seconds: float) -> bool:
    """Whether a new client gets the list of topics within this time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(seconds * 1000))
    try:
        async with asyncio.timeout(seconds):
            await admin.start()
            await admin.list_topics()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return True
