"""Which events the publisher takes, in which order within a batch: first what decides about routes, then results."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.database import Connection, Database
from contracts.account_changed import AccountChanged
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.erasure_requested import ErasureRequested
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.extract_handed_over import ExtractHandedOver
from contracts.extract_printed import ExtractPrinted
from contracts.final_grade_set import FinalGradeSet
from contracts.person_changed import PersonChanged
from contracts.results_visible import ResultsVisible
from contracts.school_changed import SchoolChanged
from services.publisher import acknowledging, canaries, erasing, handlers
from services.publisher.domain.policy import Policy
from services.publisher.queries.planning import prefer_indexes


def make_consumer(database: Database, clock: Clock, policy: Policy) -> Consumer:
    """The publisher's one consumer. Marks are not taken: nothing is owed about them within 24 hours."""
    consumer = Consumer(handlers.CONSUMER, database, clock)

    def ruled(
        handler: Callable[..., Awaitable[None]],
    ) -> Callable[[Connection, Sequence[Any], datetime], Awaitable[None]]:
        async def take(conn: Connection, events: Sequence[Any], now: datetime) -> None:
            await prefer_indexes(conn)
            await handler(conn, events, now, policy=policy)

        return take

    consumer.on(SchoolChanged, handlers.schools_changed)
    consumer.on(PersonChanged, ruled(handlers.people_changed), erase=ruled(handlers.people_gone))
    consumer.on(AccountChanged, ruled(handlers.accounts_changed))
    consumer.on(ConsentChanged, ruled(handlers.consents_changed))
    consumer.on(ConsentHeartbeat, handlers.heartbeats_heard)
    # By version: a correction must not swallow the value before it, whose deadline it may inherit and which stays owed
    # while the correction is held.
    consumer.on(FinalGradeSet, ruled(canaries.apart(handlers.final_grades_set)), latest_of=FinalGradeSet.version)
    consumer.on(ExamResultRecorded, ruled(handlers.exam_results_recorded), latest_of=ExamResultRecorded.version)
    consumer.on(ResultsVisible, ruled(canaries.seen_apart(acknowledging.results_visible)))
    consumer.on(ExtractPrinted, ruled(acknowledging.extracts_printed))
    consumer.on(ExtractHandedOver, ruled(acknowledging.extracts_handed_over))
    consumer.on(ErasureRequested, ruled(erasing.carry_out))
    return consumer
