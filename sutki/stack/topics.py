"""Creates the topics that are missing: `python -m sutki.stack.topics` with the services' SUTKI_KAFKA_… variables.

Topics are created by whoever deploys, never by a broker that guesses: the number of partitions is final, since the
order per key depends on it.
"""

import asyncio
import sys
from typing import ClassVar

from chassis.settings import ServiceSettings, load
from chassis.topics import ensure_topics
from contracts.catalogue import TOPICS


class _Settings(ServiceSettings):
    """Only what concerns the broker is asked for."""

    SERVICE: ClassVar[str] = "topics"

    database_url: str = ""
    http_port: int = 1


async def make_topics(*, bootstrap: str, partitions: int, replication_factor: int, prefix: str = "") -> list[str]:
    """Creates every topic of the catalogue that is missing and returns the names of those.

    Raises:
        KafkaError: the broker refused or cannot be reached.
    """
    return await ensure_topics(
        bootstrap, TOPICS, partitions=partitions, replication_factor=replication_factor, prefix=prefix
    )


def main() -> None:
    """The process entry."""
    settings = load(_Settings)
    made = asyncio.run(
        make_topics(
            bootstrap=settings.kafka_bootstrap,
            partitions=settings.kafka_partitions,
            replication_factor=settings.kafka_replication_factor,
            prefix=settings.kafka_topic_prefix,
        )
    )
    sys.stdout.write(f"topics created: {', '.join(made) or 'none, all were there'}\n")


if __name__ == "__main__":
    main()
