"""The student's own agreement between the two ages: registered, taken back, asked for at a birthday, missed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Connection
from contracts.base import StudentId
from services.consent import agreement_queries, domain, model, queries
from services.consent.faults import Refused, fault
from services.consent.model import EndReason, Entry, Policy
from services.consent.writing import begin, write

STUDENTS_PER_ROUND = 200


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of the loop did."""

    asked: int
    """Students newly asked."""
    overdue: int
    """Students whose term passed."""
    ended: int
    """Consents that ended with it."""


async def register(
    conn: Connection,
    student_id: StudentId,
    *,
    agreed: bool,
    document_number: str = "",
    decided_at: datetime | None = None,
    clock: Clock,
    policy: Policy,
    registered_by: UUID | None = None,
) -> Literal["registered", "unchanged"]:
    """Registers that a student of 14–17 agrees, or agrees no longer: then the representatives' consents end at once.

    Args:
        conn: the transaction; its scope limits which students are known.
        student_id: who agrees.
        agreed: or does not.
        document_number: of the paper on which the student said so.
        decided_at: when; the instant of registration if nothing is said.
        clock: tells that instant.
        policy: the ages.
        registered_by: the API client.

    Raises:
        Refused: the student is not of that age, the decision lies in the future, or before one that is known.
    """
    now = await begin(conn, [student_id], clock)
    born, today = await agreement_queries.birth_date(conn, student_id), model.local_day(now, policy)
    age = model.age_on(born, today) if born else None
    if age is None or not policy.agreement_from_years <= age < policy.adult_from_years:
        raise Refused(fault("not_of_agreement_age"))
    if decided_at is not None and decided_at > now:
        raise Refused(fault("decided_in_future"))
    known = await agreement_queries.decided_since(conn, student_id)
    if decided_at is not None and known is not None and decided_at < known:
        raise Refused(fault("older_than_current"))
    changed = await agreement_queries.set_state(
        conn,
        [student_id],
        "given" if agreed else "taken_back",
        [decided_at or now],
        [document_number],
        now=now,
        registered_by=registered_by,
    )
    if not changed:
        return "unchanged"
    if not agreed and policy.agreement_required:
        await _end_given(conn, [student_id], EndReason.AGREEMENT_TAKEN_BACK, now, registered_by)
    return "registered"


async def keep_stated(
    conn: Connection, entries: Sequence[Entry], now: datetime, policy: Policy, registered_by: UUID | None
) -> None:
    """Keeps the agreements that were stated together with consents: they serve every representative's."""
    stated = [
        entry
        for entry in entries
        if entry.student_agreed and entry.consent.representative_id != entry.consent.student_id
    ]
    if stated:
        await agreement_queries.set_state(
            conn,
            [entry.consent.student_id for entry in stated],
            "given",
            [entry.consent.decided_at for entry in stated],
            [entry.document_number for entry in stated],
            now=now,
            registered_by=registered_by,
            born_by=model.born_by(model.local_day(now, policy), policy.agreement_from_years),
        )


async def ask_and_end(conn: Connection, clock: Clock, policy: Policy, limit: int = STUDENTS_PER_ROUND) -> Round:
    """One round: asks students who came to the age, and ends consents where the term of asking has passed."""
    if not policy.agreement_required:
        return Round(0, 0, 0)
    await queries.begin_registration(conn)
    now = await clock.now(conn)
    today = model.local_day(now, policy)
    asked = await agreement_queries.lock_students_to_ask(
        conn, model.born_by(today, policy.agreement_from_years), model.born_by(today, policy.adult_from_years), limit
    )
    await agreement_queries.set_state(conn, asked, "due", [now] * len(asked), [""] * len(asked), now=now)
    if policy.agreement_missing == "keep":
        return Round(len(asked), 0, 0)
    asked_by = now - timedelta(days=policy.agreement_term_days)
    overdue = await agreement_queries.lock_students_overdue(conn, asked_by, limit)
    ended = await _end_given(conn, overdue, EndReason.AGREEMENT_MISSING, now, None)
    await agreement_queries.set_state(conn, overdue, "missing", [now] * len(overdue), [""] * len(overdue), now=now)
    return Round(len(asked), len(overdue), ended)


async def _end_given(
    conn: Connection, student_ids: Sequence[UUID], reason: EndReason, now: datetime, registered_by: UUID | None
) -> int:
    states = await queries.given_by_representatives(conn, student_ids)
    ended = [entry for state in states if (entry := domain.end(state, reason, now)) is not None]
    await write(conn, ended, now, registered_by)
    return len(ended)
