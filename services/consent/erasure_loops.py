"""The loops of erasures: what is due is carried out, acts are made, what is not confirmed is measured."""

from datetime import timedelta
from functools import partial

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from chassis.timers import DueLoop
from services.consent import erasing, erasure_metrics, erasure_queries
from services.consent.erasure_act import ActMaker
from services.consent.settings import Settings

LOOK_SECONDS = 5.0
MEASURE_SECONDS = 30.0


def erasure_loops(database: Database, clock: Clock, settings: Settings) -> list[DueLoop]:
    """All of them."""
    maker = ActMaker(database, clock, settings.operator(), timedelta(days=settings.act_keep_days))
    return [
        DueLoop("consent.erasures", partial(_carry_out, database, clock), partial(_next, database), LOOK_SECONDS),
        DueLoop("consent.acts", maker.make_one, _never, LOOK_SECONDS),
        DueLoop("consent.erasures_measured", partial(_measure, database, settings), _never, MEASURE_SECONDS),
    ]


async def _carry_out(database: Database, clock: Clock) -> int:
    done = await erasing.carry_out_due(database, clock)
    erasure_metrics.REQUESTED.labels("by_term").inc(done)
    return done


async def _next(database: Database) -> float | None:
    async with database.transaction(DISTRICT) as conn:
        return await erasure_queries.seconds_to_next(conn)


async def _measure(database: Database, settings: Settings) -> int:
    async with database.transaction(DISTRICT) as conn:
        waiting, past = await erasure_queries.overdue_counts(conn, settings.erasure_confirmation_hours * 3600)
        await erasure_queries.forget_acts(conn)
    erasure_metrics.UNCONFIRMED.set(waiting)
    erasure_metrics.PAST_DUE.set(past)
    return 0


async def _never() -> None:
    return None
