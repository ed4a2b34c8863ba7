"""Three brokers, two of which must have a message before it counts: one may die in the middle of an import."""

import asyncio

import pytest

from sutki.stack.kafka import KafkaCluster
from tests.support import folders
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

GRADES = 400


async def test_one_broker_of_three_dies_in_the_middle_of_an_import_and_nothing_is_lost(kafka_broker: KafkaCluster):
    folder = folders.make("three")
    try:
        async with System.running(folder, students=60, brokers=3, fast=False) as system:
            cluster = system.stack.broker
            assert isinstance(cluster, KafkaCluster)
            assert cluster.replication_factor == 3
            sending = asyncio.create_task(system.send(system.grades(GRADES), batch=20))
            for broker in (0, 1, 2):
                goal = (broker + 1) * GRADES // 5
                await eventually(lambda goal=goal: len(system.expected) >= goal or sending.done())  # type: ignore[misc]
                cluster.kill(broker=broker)
                await cluster.restart(broker=broker)
            await sending
            await system.drained()
    finally:
        folders.remove(folder)
