"""A grade comes for a student whose final grade was deferred: it is the same result, at its next revision (C5.3).

The family was told of the deferred result before the journal had a name for its grade. From the grade on, that name
stands for this result: correcting, releasing or sending it again finds it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from services.gradebook import metrics
from services.gradebook.closing import deferral_queries as queries
from services.gradebook.closing.deferrals import GRANTED, Deferral, DeferralState, fulfil, move
from services.gradebook.closing.queries import closed_for
from services.gradebook.domain import FinalGrade
from services.gradebook.rejections import Code, Fault

JOURNAL = "journal"
"""Who ends a deferral by sending the grade."""


async def resolve(conn: Connection, result_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """For each id the result that it means: itself, or the deferred result that it fulfilled."""
    found = await queries.stand_ins(conn, result_ids)
    return {result_id: found.get(result_id, result_id) for result_id in result_ids}


async def stand_in(
    conn: Connection, school_id: UUID, stated: Sequence[tuple[int, FinalGrade]], now: datetime
) -> tuple[list[tuple[int, FinalGrade]], set[UUID]]:
    """The statements with the results that they mean; deferrals that they fulfil are ended.

    A grade that comes while its deferral still awaits the head makes the request needless.

    Args:
        conn: the transaction.
        school_id: whose grades they are.
        stated: place and statement of each, all acceptable.
        now: the present.

    Returns:
        The statements, and the results whose deferral ended with them, which a closed period still takes.
    """
    if not stated:
        return [], set()
    known = await queries.stand_ins(conn, [grade.result_id for _, grade in stated])
    wanted = [_key(grade) for _, grade in stated if grade.state == "set"]
    running = await queries.running_for(conn, school_id, wanted)
    ended: list[Deferral] = []
    fulfilled: set[UUID] = set()
    meant = []
    for place, grade in stated:
        result_id = known.get(grade.result_id, grade.result_id)
        deferral = running.get(_key(grade)) if grade.state == "set" else None
        # A grade that has fulfilled a deferral before, and was taken back, may fulfil the next one of the same result.
        if deferral is not None and (grade.result_id not in known or deferral.result_id == result_id):
            del running[_key(grade)]
            if deferral.state in GRANTED:
                ended.append(fulfil(deferral, grade.result_id, by=JOURNAL, now=now))
                result_id = deferral.result_id
                fulfilled.add(result_id)
            else:
                ended.append(move(deferral, DeferralState.CANCELLED, by=JOURNAL, now=now))
        meant.append((place, grade._replace(result_id=result_id)))
    await queries.update(conn, ended)
    for deferral in ended:
        metrics.DEFERRALS.labels(deferral.state).inc()
    return meant, fulfilled


async def closed_rule(
    conn: Connection, school_id: UUID, grades: Sequence[FinalGrade], fulfilled: set[UUID]
) -> Callable[[FinalGrade], Fault | None]:
    """The rule that a closed period takes no grade, but for those that fulfil a deferral (C5.1).

    Corrections by the head, who says why, go another way: `closing.handlers.correct`.

    Args:
        conn: the transaction.
        school_id: whose grades they are.
        grades: every state before and after that will be asked about.
        fulfilled: results whose deferral ends now.
    """
    closed = await closed_for(conn, school_id, list({(grade.student_id, grade.period_id) for grade in grades}))

    def rule(grade: FinalGrade) -> Fault | None:
        if grade.result_id in fulfilled or (grade.student_id, grade.period_id) not in closed:
            return None
        return Fault("period_id", Code.PERIOD_CLOSED)

    return rule


def _key(grade: FinalGrade) -> tuple[UUID, UUID, UUID]:
    return grade.student_id, grade.subject_id, grade.period_id
