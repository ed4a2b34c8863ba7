"""The use cases of authority: register, renew, end, and let run out. Its end closes the consent in the same breath."""

from uuid import UUID

from chassis.clock import Clock
from chassis.database import Connection
from contracts.base import PersonId, StudentId
from services.consent import authority, authority_queries, domain, queries
from services.consent.authority import Authority, AuthorityDocument, Ended
from services.consent.model import Pair, Policy
from services.consent.writing import begin, write_changes

EXPIRED_PER_ROUND = 200


async def register(
    conn: Connection,
    representative_id: PersonId,
    student_id: StudentId,
    proof: AuthorityDocument,
    *,
    clock: Clock,
    policy: Policy,
    registered_by: UUID | None = None,
) -> Authority | None:
    """Registers, renews or restores an authority by its document. A consent that ended stays ended.

    Args:
        conn: the transaction; its scope limits which students are known.
        representative_id: whose authority.
        student_id: for whom.
        proof: the document.
        clock: tells the instant of registration.
        policy: tells where a day ends.
        registered_by: the API client.

    Returns:
        The authority as it is now; None when it was registered like that already.

    Raises:
        Refused: the journal knows no such representation, or the document has expired.
    """
    now = await begin(conn, [student_id], clock)
    pair = await _pair(conn, representative_id, student_id, clock)
    before = await authority_queries.of_pair(conn, representative_id, student_id)
    after = authority.registered(representative_id, student_id, proof, pair=pair, before=before, policy=policy, now=now)
    if after is not None and pair is not None:
        await authority_queries.save(conn, [after], registered_by)
        await write_changes(conn, [domain.with_authority(pair.consent)], now, registered_by)
    return after


async def end(
    conn: Connection,
    representative_id: PersonId,
    student_id: StudentId,
    reason: Ended,
    proof: AuthorityDocument,
    *,
    clock: Clock,
    registered_by: UUID | None = None,
) -> Authority | None:
    """Ends an authority at once, and with it the consent; it is told also where nobody ever answered.

    Returns:
        The authority as it is now; None when it had ended already.

    Raises:
        Refused: no authority of the two was ever known.
    """
    now = await begin(conn, [student_id], clock)
    pair = await _pair(conn, representative_id, student_id, clock)
    before = await authority_queries.of_pair(conn, representative_id, student_id)
    after = authority.ended(representative_id, student_id, reason, proof, pair=pair, before=before, now=now)
    if after is not None and pair is not None:
        await authority_queries.save(conn, [after], registered_by)
        await write_changes(
            conn, [domain.without_authority(pair, representative_id, student_id, now)], now, registered_by
        )
    return after


async def end_expired(conn: Connection, clock: Clock, limit: int = EXPIRED_PER_ROUND) -> int:
    """Ends authorities whose last day has passed.

    Args:
        conn: the transaction of one round.
        clock: tells which those are.
        limit: how many students at the most.

    Returns:
        How many authorities ended; 0 when nothing is due.
    """
    await queries.begin_registration(conn)
    now = await clock.now(conn)
    students = await authority_queries.lock_students_with_expired(conn, now, limit)
    due = await authority_queries.expired_of(conn, students, now)
    keys: list[queries.PairKey] = [(one.representative_id, one.student_id) for one in due]
    pairs = await queries.pairs(conn, keys, [""] * len(keys), now)
    await authority_queries.save(conn, [authority.expired(one, now) for one in due], None)
    changes = [
        domain.without_authority(pairs[key], one.representative_id, one.student_id, now)
        for key, one in zip(keys, due, strict=True)
        if key in pairs
    ]
    await write_changes(conn, changes, now)
    return len(due)


async def _pair(conn: Connection, representative_id: PersonId, student_id: StudentId, clock: Clock) -> Pair | None:
    key = (representative_id, student_id)
    return (await queries.pairs(conn, [key], [""], await clock.now(conn))).get(key)
