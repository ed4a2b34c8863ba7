"""Asking for paper and taking that back, in the caller's transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from chassis import outbox
from chassis.database import Connection
from contracts.base import PersonId, RequestId, ResultId, SchoolId, StudentId
from contracts.extract_requested import ExtractRequested
from contracts.values import ResultVersion
from services.publisher.domain.obligations import Obligation, sheets
from services.publisher.domain.policy import Policy
from services.publisher.queries import obligations, requests


async def ask_for_paper(conn: Connection, waiting: Sequence[Obligation], now: datetime) -> list[ExtractRequested]:
    """Makes one request for each school, student and recipient, of everything that waits for paper.

    Args:
        conn: the transaction; the obligations are locked in it.
        waiting: open paper obligations that stand on no request.
        now: the present instant.
    """
    asked: list[ExtractRequested] = []
    request_of: dict[UUID, UUID] = {}
    for (school_id, student_id, recipient_id), items in sheets(waiting).items():
        request = ExtractRequested(
            revision=1,
            request_id=RequestId(uuid4()),
            school_id=SchoolId(school_id),
            student_id=StudentId(student_id),
            recipient_id=PersonId(recipient_id),
            items=[
                ResultVersion(result_id=ResultId(one.result_id), value_revision=one.value_revision) for one in items
            ],
            state="requested",
            due_at=items[0].due_at,
            requested_at=now,
        )
        asked.append(request)
        request_of |= {one.obligation_id: request.request_id for one in items}
    if asked:
        await requests.insert(conn, asked, now)
        await obligations.assign_requests(conn, waiting, [request_of[one.obligation_id] for one in waiting])
        await outbox.publish(conn, asked)
    return asked


async def withdraw_requests(conn: Connection, request_ids: Collection[UUID], now: datetime, policy: Policy) -> None:
    """Cancels requests of which a result went another way, unless they are printed already.

    What else stood on them and still has to go by paper is asked for anew, together with what comes within the
    grouping time.
    """
    if not request_ids:
        return
    cancelled = await requests.cancel(conn, sorted(request_ids), now)
    if not cancelled:
        return
    await obligations.leave_requests(
        conn, [one.request_id for one in cancelled], now + policy.paper_grouping, policy.paper_lead
    )
    await outbox.publish(conn, cancelled)
