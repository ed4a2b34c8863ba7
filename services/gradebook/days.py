"""What a new day brings by itself: memberships that begin or end, and another class teacher."""

from chassis import outbox
from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from chassis.timers import DueLoop
from services.gradebook import composing, membership_queries, queries

LOOK_SECONDS = 300.0
"""How often it is looked whether a new day has begun somewhere: schools have time zones of their own."""


async def turn_the_day(database: Database, clock: Clock) -> int:
    """Begins and ends what is due, and tells the groups and persons that are different by it.

    Returns:
        How many memberships and class teachers changed.
    """
    async with database.transaction(DISTRICT) as conn:
        now = await clock.now(conn)
        await queries.lock(conn, "roster")
        turned = await membership_queries.turn_memberships(conn, now)
        guided = await membership_queries.turned_class_teachers(conn, now)
        groups = [*guided, *(row["group_id"] for row in turned)]
        await outbox.publish(conn, await composing.compose_groups(conn, groups, now))
        persons = [row["person_id"] for row in turned]
        await outbox.publish(conn, await composing.compose_persons(conn, persons, now))
    return len(turned) + len(guided)


def days(database: Database, clock: Clock) -> DueLoop:
    """The loop that does it."""

    async def work() -> int:
        await turn_the_day(database, clock)
        return 0

    async def nothing_is_due() -> None:
        return None

    return DueLoop("gradebook.days", work, nothing_is_due, idle_seconds=LOOK_SECONDS)
