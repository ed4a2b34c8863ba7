"""What happens when obligations are met: state, ledger, event, mail. All in the caller's transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis import outbox
from chassis.database import Connection
from contracts.values import Route
from services.publisher import ledger, metrics
from services.publisher.domain.deadlines import Late, lateness
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.obligations import Availability, Version, told_electronically
from services.publisher.domain.policy import Policy
from services.publisher.domain.routes import Household
from services.publisher.domain.states import ObligationState
from services.publisher.queries import availability, obligations
from services.publisher.requesting import withdraw_requests
from services.publisher.telling import tell_results


async def disclose(
    conn: Connection,
    met: Sequence[Availability],
    households: Mapping[UUID, Household],
    now: datetime,
    policy: Policy,
) -> None:
    """Makes obligations available, writes that into the ledger, tells it, and queues the mails.

    Args:
        conn: the transaction; the students and the obligations are locked in it.
        met: at most one for each obligation, all of them open.
        households: of all students concerned, as far as they are known.
        now: the present instant.
        policy: the district's settings.
    """
    if not met:
        return
    late = [_lateness(one) for one in met]
    await obligations.meet(conn, met, late)
    # Whatever met it, no other sheet is needed. The one that was printed is marked so, and cannot be taken back.
    asked = {one.obligation.request_id for one in met if one.obligation.request_id}
    # Who has a correction is owed nothing older: a held one does not end that before it becomes visible itself.
    older = await obligations.lock_open_older(conn, [one.obligation for one in met])
    await obligations.close(conn, older, ObligationState.SUPERSEDED, now)
    asked |= {one.request_id for one in older if one.request_id}
    await withdraw_requests(conn, asked, now, policy)
    await tell_results(conn, told_electronically(met, households), now, policy)
    versions: dict[Version, tuple[UUID, UUID]] = {
        one.obligation.version: (one.obligation.school_id, one.obligation.student_id) for one in met
    }
    told = await availability.next_versions(
        conn, [(version, school, student) for version, (school, student) in versions.items()], now
    )
    await outbox.publish(conn, told)
    await ledger.append(conn, [_note(one, how) for one, how in zip(met, late, strict=True)], now)
    _measure(met, late)


def _lateness(one: Availability) -> Late:
    return lateness(
        obtained_at=one.obligation.obtained_at,
        recorded_at=one.obligation.recorded_at,
        due=one.obligation.due_at,
        available_at=one.available_at,
    )


def _note(one: Availability, late: Late) -> ledger.Note:
    obligation = one.obligation
    return ledger.Note(
        EntryKind.AVAILABLE,
        obligation.school_id,
        obligation.result_id,
        {
            "value_revision": obligation.value_revision,
            "student_id": obligation.student_id,
            "recipient_id": obligation.recipient_id,
            "route": one.route.value,
            "obtained_at": obligation.obtained_at,
            "due_at": obligation.due_at,
            "available_at": one.available_at,
            "late": late.value,
            "consent_id": one.ground.consent_id if one.ground else None,
            "consent_revision": one.ground.revision if one.ground else None,
            "extract_number": one.extract_number,
            "served_with": one.served_with,
        },
    )


def _measure(met: Sequence[Availability], late: Sequence[Late]) -> None:
    seconds = {route: metrics.TIME_TO_AVAILABLE_SECONDS.labels(route.value) for route in Route}
    for one in met:
        took = (one.available_at - one.obligation.obtained_at).total_seconds()
        seconds[one.route].observe(max(0.0, took))
    for (route, how), count in Counter((one.route, how) for one, how in zip(met, late, strict=True)).items():
        metrics.DISCLOSED.labels(route.value, how.value).inc(count)
