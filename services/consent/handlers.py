"""What the registry does. Each use case works in one transaction of its caller, facts and events together.

Every use case begins with `writing.begin`, which the heartbeat's proof stands on (see `heartbeat.py`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Connection
from contracts.person_changed import PersonChanged
from services.consent import agreements, domain, model, queries, roster_queries
from services.consent.faults import Fault, Refused
from services.consent.model import Answer, Consent, EndReason, Entry, Pair, Policy, Registered, Withdrawal
from services.consent.writing import begin, write, write_changes

ADULTS_PER_ROUND = 200

Request = Answer | Withdrawal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request."""

    status: Literal["registered", "unchanged", "rejected"]
    consent: Consent | None = None
    """The state after it; absent when rejected."""
    faults: tuple[Fault, ...] = ()


async def register_decision(
    conn: Connection, request: Request, *, clock: Clock, policy: Policy, registered_by: UUID | None = None
) -> Outcome:
    """Registers one consent, refusal or withdrawal; the same document again changes nothing.

    Args:
        conn: the transaction; its scope limits which students are known.
        request: what was decided.
        clock: tells the instant of registration.
        policy: the rules of age.
        registered_by: the API client that registers.

    Raises:
        Refused: it cannot be registered; nothing was changed.
    """
    outcome = (await register_decisions(conn, [request], clock=clock, policy=policy, registered_by=registered_by))[0]
    if outcome.status == "rejected":
        raise Refused(*outcome.faults)
    return outcome


async def register_decisions(
    conn: Connection, requests: Sequence[Request], *, clock: Clock, policy: Policy, registered_by: UUID | None = None
) -> list[Outcome]:
    """Registers many at once, in their order; a rejected one does not hold up the others.

    Returns:
        An outcome for each request, in the same order.
    """
    now = await begin(conn, [request.student_id for request in requests], clock)
    keys = [(request.representative_id, request.student_id) for request in requests]
    pairs: dict[queries.PairKey, Pair] = await queries.pairs(
        conn, keys, [_number(request) for request in requests], now
    )
    entries: list[Entry] = []
    outcomes: list[Outcome] = []
    for key, request in zip(keys, requests, strict=True):
        pair = pairs.get(key)
        try:
            entry = _settle(request, pair, policy, now)
        except Refused as refused:
            outcomes.append(Outcome("rejected", faults=refused.faults))
            continue
        if entry is None:
            outcomes.append(Outcome("unchanged", pair.consent if pair else None))
            continue
        entries.append(entry)
        outcomes.append(Outcome("registered", entry.consent))
        if pair is not None:
            pairs[key] = _after(pair, entry)
    await write(conn, entries, now, registered_by)
    await agreements.keep_stated(conn, entries, now, policy, registered_by)
    return outcomes


async def withdraw(
    conn: Connection, withdrawal: Withdrawal, *, clock: Clock, policy: Policy, registered_by: UUID | None = None
) -> Outcome:
    """Registers a withdrawal; the electronic channels close with its event.

    Raises:
        Refused: nothing was given, or the times contradict the rules.
    """
    return await register_decision(conn, withdrawal, clock=clock, policy=policy, registered_by=registered_by)


async def take_people(
    conn: Connection, events: Sequence[PersonChanged], clock: Clock, policy: Policy = model.DEFAULT_POLICY
) -> Counter[EndReason]:
    """Learns names and who represents whom; ends what is given where the authority is gone or the school is another.

    Returns:
        How many consents ended, by reason.
    """
    now = await begin(conn, [event.person_id for event in events], clock)
    await roster_queries.take_names(conn, events)
    taken = await roster_queries.take_students(conn, events)
    if not taken:
        return Counter()
    await roster_queries.take_representations(conn, [event for event in events if event.person_id in taken])
    changes: list[Entry | Consent] = []
    for state, school_id, in_force in await roster_queries.consents_to_revise(conn, list(taken)):
        here = replace(state, school_id=school_id)
        entry = None if in_force else domain.end(here, EndReason.AUTHORITY_ENDED, now)
        if entry is not None:
            changes.append(entry)
        elif state.school_id != school_id:
            changes.append(domain.transferred(state, school_id, policy, now))
    ended = await write_changes(conn, changes, now)
    return Counter(entry.reason for entry in ended if entry.reason is not None)


async def erase_people(conn: Connection, person_ids: Sequence[UUID], clock: Clock) -> int:
    """Erases what is personal about people whom the journal erased; their consents end, the decisions stay as ids.

    Returns:
        How many consents ended.
    """
    students = await roster_queries.students_of_people(conn, person_ids)
    now = await begin(conn, students, clock)
    states = await roster_queries.consents_of_people(conn, person_ids)
    ended = [entry for state in states if (entry := domain.end(state, EndReason.PERSON_ERASED, now)) is not None]
    await roster_queries.delete_documents(conn, [state.consent_id for state in states])
    await roster_queries.delete_people(conn, person_ids)
    await write(conn, ended, now, None)
    return len(ended)


async def end_at_majority(conn: Connection, clock: Clock, policy: Policy, limit: int = ADULTS_PER_ROUND) -> int:
    """Ends the representatives' consents of students who have come of age.

    Returns:
        How many consents ended; 0 when nothing is due.
    """
    await queries.begin_registration(conn)
    now = await clock.now(conn)
    born_by = model.born_by(model.local_day(now, policy), policy.adult_from_years)
    students = await queries.lock_adults_with_given(conn, born_by, limit)
    states = await queries.given_by_representatives(conn, students)
    ended = [entry for state in states if (entry := domain.end(state, EndReason.STUDENT_ADULT, now)) is not None]
    await write(conn, ended, now, None)
    return len(ended)


def _number(request: Request) -> str:
    return (request.document.number if isinstance(request, Answer) else request.document_number).strip()


def _settle(request: Request, pair: Pair | None, policy: Policy, now: datetime) -> Entry | None:
    if isinstance(request, Answer):
        return domain.decide(request, pair, policy, now)
    return domain.withdraw(request, pair, now)


def _after(pair: Pair, entry: Entry) -> Pair:
    """What is known about a pair after one of its decisions in the same batch."""
    numbers = dict(pair.numbers)
    if entry.document_number:
        state = entry.consent
        numbers[entry.document_number] = Registered(state.answers, state.no_internet, entry.withdrawal)
    return replace(pair, consent=entry.consent, numbers=numbers)
