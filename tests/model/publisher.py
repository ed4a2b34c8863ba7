"""The publisher without its database: the domain's functions, called in the order in which the handlers call them.

What is a table there is a dictionary here. Where a rule stands in SQL, the method that mirrors it says so.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts.consent_changed import ConsentChanged
from contracts.values import DISCLOSURE_TERM, Decision, Route
from services.publisher.acknowledging import _screen_is_open
from services.publisher.domain import corrections, deadlines, obligations, routes
from services.publisher.domain.deadlines import Late
from services.publisher.domain.ledger import EntryKind, Head, LedgerLine, append
from services.publisher.domain.obligations import Availability, Due, Key, MovedReason, Obligation, Opening, Version
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import Channel
from services.publisher.domain.results import Result
from services.publisher.domain.routes import Ground, Household, Recipient
from services.publisher.domain.states import ObligationState, check_obligation
from services.publisher.queries.availability import Early
from services.publisher.queries.consents import KnownConsent
from services.publisher.reconciling import _counts


@dataclass
class Row:
    """An obligation as its table has it."""

    it: Obligation
    opened_at: datetime
    touched_at: datetime
    """When it was opened, went another way, or was retimed."""
    ask_paper_at: datetime
    fall_back_at: datetime | None
    available_at: datetime | None = None
    late: Late | None = None
    ground: Ground | None = None
    overdue_at: datetime | None = None
    overdue_late: Late | None = None


@dataclass
class Mail:
    """One mail that is gathered or was sent."""

    items: list[Version]
    queued_at: datetime
    send_after: datetime
    state: str = "queued"


@dataclass
class Tables:
    """Everything that survives a crash."""

    student_revision: int = 0
    representatives: frozenset[UUID] = frozenset()
    adult_on: date | None = None
    majority_noticed: bool = False
    accounts: dict[UUID, tuple[int, bool, datetime]] = field(default_factory=dict)
    consents: dict[UUID, ConsentChanged] = field(default_factory=dict)
    took_effect: set[UUID] = field(default_factory=set)
    heard_at: datetime | None = None
    results: dict[UUID, Result] = field(default_factory=dict)
    opened: dict[UUID, int] = field(default_factory=dict)
    rows: dict[Key, Row] = field(default_factory=dict)
    early: dict[tuple[Key, Route], Early] = field(default_factory=dict)
    printed: set[UUID] = field(default_factory=set)
    requests: dict[UUID, list[Key]] = field(default_factory=dict)
    mails: dict[UUID, list[Mail]] = field(default_factory=dict)
    head: Head | None = None
    ledger: list[LedgerLine] = field(default_factory=list)
    noted: list[dict[str, Any]] = field(default_factory=list)


class Publisher:
    """One publisher, of one student's results."""

    def __init__(self, school_id: UUID, student_id: UUID, policy: Policy) -> None:
        self.school_id, self.student_id, self.policy = school_id, student_id, policy
        self.tables = Tables(head=Head.start(school_id))
        self.stale_since: datetime | None = None
        self.sent: list[tuple[datetime, UUID, ConsentChanged | None]] = []
        """What left by mail: when, to whom, and the consent as it was known then."""
        self.dues: list[tuple[datetime, datetime]] = []
        """Of each correction that took the place of something owed: the deadline before and the one after it."""

    def crash(self, work: Callable[[], None]) -> None:
        """Does something in a transaction that is never committed, in a process that is gone."""
        kept, sent, dues = deepcopy(self.tables), list(self.sent), list(self.dues)
        work()
        self.tables, self.sent, self.dues, self.stale_since = kept, sent, dues, None

    # Events

    def person_changed(self, revision: int, representatives: frozenset[UUID], adult_on: date, now: datetime) -> None:
        """As `handlers.people_changed`."""
        if revision <= self.tables.student_revision:
            return
        self.tables.student_revision = revision
        self.tables.representatives, self.tables.adult_on = representatives, adult_on
        self.reconcile(now)

    def account_changed(self, person: UUID, revision: int, active: bool, at: datetime, now: datetime) -> None:
        """As `handlers.accounts_changed`."""
        if revision > self.tables.accounts.get(person, (0, False, at))[0]:
            self.tables.accounts[person] = (revision, active, at)
            self.reconcile(now)

    def consent_changed(self, event: ConsentChanged, now: datetime) -> None:
        """As `handlers.consents_changed`."""
        before = self.tables.consents.get(event.representative_id)
        known = before and KnownConsent(before.consent_id, before.revision, before.decided_at, _in_force(before, now))
        if known and not known.is_older_than(event):
            return
        self.tables.consents[event.representative_id] = event
        self.tables.took_effect.discard(event.representative_id)
        if event.effective_from <= now:
            self.tables.took_effect.add(event.representative_id)
        self.reconcile(now)
        if known and known.in_force and not _in_force(event, now):
            self._note(EntryKind.CLOSED, {"recipient_id": event.representative_id, "revision": event.revision}, now)

    def heard(self, at: datetime) -> None:
        """As `handlers.heartbeats_heard`."""
        self.tables.heard_at = max(at, self.tables.heard_at or at)

    def result_recorded(self, result: Result, now: datetime) -> None:
        """As `handlers._take_round`; what `queries/results.py` keeps by revision is kept here."""
        before = self.tables.results.get(result.result_id)
        if before and before.revision >= result.revision:
            return
        # As queries/results.py, `_HELD`.
        held_back = (
            {(before.result_id, before.value_revision)} if before and result.held and before.held_at(now) else set()
        )
        self.tables.results[result.result_id] = result
        household = self.household(now)
        if household is not None:
            self.tables.opened[result.result_id] = result.value_revision
        open_before: dict[UUID, datetime] = {}
        told: set[Version] = set()
        if before is not None:
            known = [self._it(row) for key, row in sorted(self.tables.rows.items()) if key[0] == result.result_id]
            found = corrections.corrections(known, {result.result_id: result}, held_back, now, self.policy)
            self._close(found.superseded, ObligationState.SUPERSEDED)
            self._close(found.cancelled, ObligationState.CANCELLED)
            for one in found.retimed:
                self._retime(one, now)
            open_before, told = found.open_before.get(result.result_id, {}), found.told
        if household is None or result.state == "withdrawn" or (result.result_id, result.value_revision) in told:
            self._settle_early(now)
            return
        due = Due(result.result_id, result.value_revision, self.student_id, result.obtained_at, result.held)
        opened = obligations.openings(due, household, now, self.policy, open_before=open_before)
        self.dues += [(open_before[one.recipient_id], one.due_at) for one in opened if one.recipient_id in open_before]
        self._open(opened, now)
        self._settle_early(now)

    def visible(self, version: Version, seen: Mapping[UUID, tuple[datetime, Ground]], now: datetime) -> None:
        """As `acknowledging.results_visible`."""
        household = self.household(now)
        met: dict[Key, Availability] = {}
        for person, (at, ground) in sorted(seen.items()):
            early = Early((*version, person), Route.SCREEN, self.student_id, self.school_id, at, ground, None)
            row = self.tables.rows.get(early.key)
            opens = household is not None and _screen_is_open(early, {self.student_id: household})
            if row is not None and row.it.state == ObligationState.OPEN and opens:
                met[early.key] = Availability(row.it, Route.SCREEN, at, ground)
            else:
                self._keep_early(early)
        self._count(met, [version], now)

    def printed(self, extract: UUID, keys: Sequence[Key], at: datetime, now: datetime) -> None:
        """As `acknowledging.extracts_printed`."""
        if extract in self.tables.printed:
            return
        self.tables.printed.add(extract)
        met: dict[Key, Availability] = {}
        for key in keys:
            row = self.tables.rows.get(key)
            if row is not None and row.it.state == ObligationState.OPEN:
                met[key] = Availability(row.it, Route.PAPER, at, None, "1")
            else:
                early = Early(key, Route.PAPER, self.student_id, self.school_id, at, None, "1")
                self._keep_early(early)
        self._count(met, [key[:2] for key in keys], now)
        self._leave_requests({extract}, now)

    # The clock

    def work(self, now: datetime) -> None:
        """Every loop once, until nothing is left to do at this instant."""
        self._let_consents_take_effect(now)
        self._fall_back(now)
        self._ask_for_paper(now)
        self._notice_overdue(now)
        self._send(now)

    def next_timer(self, now: datetime) -> datetime | None:
        """The next instant at which a loop has something to do."""
        instants: list[datetime | None] = [mail.send_after for some in self.tables.mails.values() for mail in some]
        for row in self.tables.rows.values():
            if row.it.state == ObligationState.OPEN:
                due = row.it.due_at
                instants += [row.ask_paper_at, row.fall_back_at, due, due + self.policy.acknowledgement_grace]
                instants.append(due - self.policy.fallback_lead)
        instants += [one.effective_from for one in self.tables.consents.values()]
        return min((one for one in instants if one is not None and one > now), default=None)

    def fresh(self, now: datetime) -> bool:
        """As `queries/consents.consents_fresh`."""
        return self.tables.heard_at is not None and self.tables.heard_at >= now - self.policy.consent_stale_after

    def _let_consents_take_effect(self, now: datetime) -> None:
        due = {one.representative_id for one in self.tables.consents.values() if one.effective_from <= now}
        adult = self._adult(now) and not self.tables.majority_noticed
        if due - self.tables.took_effect or adult:
            self.tables.took_effect |= due
            self.tables.majority_noticed |= adult
            self.reconcile(now)

    def _fall_back(self, now: datetime) -> None:
        # As queries/obligations.py, `_FALL_BACK` and `_FALL_BACK_STALE`.
        stale = False
        if self.fresh(now):
            self.stale_since = None
        else:
            self.stale_since = self.stale_since or now
            stale = now - self.stale_since >= self.policy.consent_stale_after
        for row in self._open_rows():
            if row.it.route is not Route.SCREEN:
                continue
            if stale and row.it.due_at <= now + self.policy.fallback_lead:
                self._move(row, MovedReason.CONSENTS_STALE, now)
            elif row.fall_back_at is not None and row.fall_back_at <= now:
                self._move(row, MovedReason.NOT_ACKNOWLEDGED, now)

    def _move(self, row: Row, reason: MovedReason, now: datetime) -> None:
        row.it = replace(row.it, route=Route.PAPER, moved_reason=reason.value)
        row.ask_paper_at, row.fall_back_at = now, None

    def _ask_for_paper(self, now: datetime) -> None:
        due = [row for row in self._waiting() if row.ask_paper_at <= now]
        if due:
            waiting = [row for row in self._waiting() if row.ask_paper_at <= now + self.policy.paper_grouping]
            for items in obligations.sheets([row.it for row in waiting]).values():
                request = uuid5(self.school_id, f"{len(self.tables.requests)}")
                self.tables.requests[request] = [one.key for one in items]
                for one in items:
                    row = self.tables.rows[one.key]
                    row.it = replace(row.it, request_id=request)

    def _waiting(self) -> list[Row]:
        return [row for row in self._open_rows() if row.it.route is Route.PAPER and row.it.request_id is None]

    def _notice_overdue(self, now: datetime) -> None:
        before = now - self.policy.acknowledgement_grace
        for row in self._open_rows():
            if row.overdue_at is None and row.it.due_at <= before and row.opened_at <= before:
                row.overdue_at = now
                row.overdue_late = deadlines.lateness(
                    obtained_at=row.it.obtained_at,
                    recorded_at=row.it.recorded_at,
                    due=row.it.due_at,
                    available_at=row.it.due_at + timedelta(microseconds=1),
                )
                self._note(EntryKind.OVERDUE, {"key": row.it.key, "late": row.overdue_late}, now)

    def _send(self, now: datetime) -> None:
        if not self.fresh(now):
            return
        for person, mails in self.tables.mails.items():
            for mail in mails:
                if mail.state == "queued" and mail.send_after <= now:
                    mail.state = "sent" if self._mail_allowed(person, now) else "cancelled"
                    if mail.state == "sent":
                        self.sent.append((now, person, self.tables.consents.get(person)))
                        self._note(EntryKind.EMAILED, {"recipient_id": person}, now)

    def _mail_allowed(self, person: UUID, now: datetime) -> bool:
        # As queries/notifications.py, `_ALLOWED`.
        household = self.household(now)
        recipient = household.find(person) if household else None
        return recipient is not None and Channel.EMAIL in recipient.electronic_channels

    # What the handlers share

    def household(self, now: datetime) -> Household | None:
        """As queries/people.py, `_HOUSEHOLDS`."""
        if not self.tables.student_revision:
            return None
        adult = self._adult(now)
        people = [
            one
            for one in sorted(self.tables.representatives)
            if one not in self.tables.consents or self.tables.consents[one].authority == "in_force"
        ]
        recipients = routes.recipients_in_law(
            [*(self._recipient(one, now) for one in people), self._recipient(self.student_id, now)],
            adult=adult,
            representation_ends_at_majority=self.policy.representation_ends_at_majority,
        )
        return Household(self.student_id, self.school_id, adult, recipients)

    def _adult(self, now: datetime) -> bool:
        return self.tables.adult_on is not None and self.tables.adult_on <= (now + timedelta(hours=3)).date()

    def _recipient(self, person: UUID, now: datetime) -> Recipient:
        consent = self.tables.consents.get(person)
        _, active, since = self.tables.accounts.get(person, (0, False, None))
        in_force = consent is not None and _in_force(consent, now)
        return Recipient(
            person,
            person == self.student_id,
            active,
            since,
            Ground(consent.consent_id, consent.revision) if consent else None,
            in_force,
            in_force and consent is not None and consent.decisions.email is Decision.GIVEN,
            consent.no_internet if consent else False,
            consent.effective_from if consent else None,
        )

    def reconcile(self, now: datetime) -> None:
        """As `reconciling.reconcile`."""
        household = self.household(now)
        households = {self.student_id: household} if household else {}
        change = obligations.changes(households, [self._it(row) for row in self._open_rows()], now, self.policy)
        for one in change.rerouted:
            row = self.tables.rows[one.obligation.key]
            self._leave_request_of(row, now)
            row.it = replace(row.it, route=one.route, moved_reason=None, request_id=None)
            row.ask_paper_at, row.fall_back_at, row.touched_at = one.ask_paper_at, one.fall_back_at, now
        self._close(change.cancelled, ObligationState.CANCELLED)
        if household is not None:
            self._open_untold(household, now)
        self._settle_early(now)
        self._disclose(self._served_before(), now)
        for person, mails in self.tables.mails.items():
            for mail in mails:
                if mail.state == "queued" and not self._mail_allowed(person, now):
                    mail.state = "cancelled"

    def _open_untold(self, household: Household, now: datetime) -> None:
        # As queries/results.py, `_UNTOLD`.
        for result in self.tables.results.values():
            waits = self.tables.opened.get(result.result_id) != result.value_revision
            if result.state == "withdrawn" or not (waits or result.obtained_at > now - DISCLOSURE_TERM):
                continue
            told = {
                key[2]
                for key, row in self.tables.rows.items()
                if key[:2] == (result.result_id, result.value_revision) and row.it.state != ObligationState.CANCELLED
            }
            due = Due(result.result_id, result.value_revision, self.student_id, result.obtained_at, result.held)
            self._open(obligations.openings(due, household, now, self.policy, told=told), now)
            self.tables.opened[result.result_id] = result.value_revision

    def _open(self, opened: Sequence[Opening], now: datetime) -> None:
        # As queries/obligations.py, `_OPEN`: what exists stays, unless it had been cancelled.
        for one in opened:
            key = (one.result_id, one.value_revision, one.recipient_id)
            before, result = self.tables.rows.get(key), self.tables.results[one.result_id]
            due = one.due_at
            if before is not None:
                if before.it.state != ObligationState.CANCELLED:
                    continue
                check_obligation(ObligationState.CANCELLED, ObligationState.OPEN)
                due = min(due, before.it.due_at)
            it = Obligation(
                *key, uuid5(self.school_id, str(key)), self.student_id, self.school_id, result.obtained_at,
                result.recorded_at, due, one.route, None, "open", None, False,
            )  # fmt: skip
            self.tables.rows[key] = Row(it, now, now, one.ask_paper_at, one.fall_back_at)
            if before is not None:
                self.tables.rows[key].overdue_at = before.overdue_at
                self.tables.rows[key].overdue_late = before.overdue_late

    def _retime(self, one: corrections.Retiming, now: datetime) -> None:
        # As queries/obligations.py, `_RETIME`.
        row = self.tables.rows[one.change.obligation.key]
        row.it = replace(row.it, due_at=one.due)
        row.fall_back_at, row.touched_at = one.change.fall_back_at, now
        asked = one.change.ask_paper_at
        row.ask_paper_at = asked if one.held else min(row.ask_paper_at, asked)
        if one.leaves_request:
            self._leave_request_of(row, now)

    def _settle_early(self, now: datetime) -> None:
        """As `reconciling.settle_early`."""
        household = self.household(now)
        if household is None:
            return
        met: dict[Key, Availability] = {}
        for early in sorted(self.tables.early.values(), key=lambda one: (one.available_at, one.key)):
            row = self.tables.rows.get(early.key)
            if row is None or row.it.state != ObligationState.OPEN or early.key in met:
                continue
            if found := _counts(early, row.it, household):
                met[early.key] = found
        self._count(met, [key[:2] for key in met], now)
        for key in met:
            for route in Route:
                self.tables.early.pop((key, route), None)

    def _keep_early(self, early: Early) -> None:
        # As queries/availability.py, `_KEEP_EARLY`.
        row = self.tables.rows.get(early.key)
        if row is not None and row.it.state in {ObligationState.AVAILABLE, ObligationState.SUPERSEDED}:
            return
        before = self.tables.early.get((early.key, early.route))
        newer = before is not None and before.ground and early.ground and early.ground.revision > before.ground.revision
        if before is None or newer:
            self.tables.early[early.key, early.route] = early

    def _count(self, met: Mapping[Key, Availability], versions: Sequence[Version], now: datetime) -> None:
        of_versions = [row.it for row in self._open_rows() if row.it.version in versions]
        students = [
            one for one in obligations.served_students(list(met.values()), of_versions) if one.obligation.key not in met
        ]
        self._disclose([*met.values(), *students], now)

    def _served_before(self) -> list[Availability]:
        # As queries/obligations.py, `_SERVED_STUDENTS`.
        found = []
        for row in self._open_rows():
            served = [
                one
                for one in self.tables.rows.values()
                if one.it.version == row.it.version
                and one.it.recipient_id != self.student_id
                and one.available_at is not None
            ]
            if row.it.route is Route.WITH_REPRESENTATIVE and served:
                first = min(served, key=lambda one: (one.available_at, one.it.recipient_id))
                if first.available_at is None:
                    raise AssertionError("only what is available was asked for")
                availability = Availability(first.it, first.it.route, first.available_at, first.ground)
                found.append(obligations.with_representative(row.it, availability))
        return found

    def _disclose(self, met: Sequence[Availability], now: datetime) -> None:
        """As `disclosing.disclose`."""
        household = self.household(now)
        for one in met:
            row = self.tables.rows[one.obligation.key]
            check_obligation(ObligationState(row.it.state), ObligationState.AVAILABLE)
            row.late = deadlines.lateness(
                obtained_at=row.it.obtained_at,
                recorded_at=row.it.recorded_at,
                due=row.it.due_at,
                available_at=one.available_at,
            )
            if one.route is not Route.PAPER:
                self._leave_request_of(row, now)
            row.it = replace(row.it, state="available", route=one.route)
            row.available_at, row.ground = one.available_at, one.ground
            older = [
                other.it
                for other in self._open_rows()
                if (other.it.result_id, other.it.recipient_id) == (row.it.result_id, row.it.recipient_id)
                and other.it.value_revision < row.it.value_revision
            ]
            self._close(older, ObligationState.SUPERSEDED)
            self._note(
                EntryKind.AVAILABLE,
                {
                    "key": row.it.key,
                    "route": one.route,
                    "at": one.available_at,
                    "ground": one.ground,
                    "late": row.late,
                    "served_with": one.served_with,
                },
                now,
            )
        told = obligations.told_electronically(met, {self.student_id: household} if household else {})
        for obligation, channels in told:
            if Channel.EMAIL in channels:
                self._gather(obligation, now)

    def _gather(self, obligation: Obligation, now: datetime) -> None:
        mails = self.tables.mails.setdefault(obligation.recipient_id, [])
        if mails and mails[-1].state == "queued":
            mails[-1].items.append(obligation.version)
        else:
            mails.append(Mail([obligation.version], now, now + self.policy.notify_grouping))

    def _close(self, some: Sequence[Obligation], state: ObligationState) -> None:
        for one in some:
            row = self.tables.rows[one.key]
            check_obligation(ObligationState(row.it.state), state)
            row.it = replace(row.it, state=state.value, request_id=None)

    def _leave_request_of(self, row: Row, now: datetime) -> None:
        if row.it.request_id is not None:
            request, row.it = row.it.request_id, replace(row.it, request_id=None)
            if request not in self.tables.printed:
                self.tables.requests.pop(request, None)
                self._leave_requests({request}, now + self.policy.paper_grouping)

    def _leave_requests(self, requests: set[UUID], ask_at: datetime) -> None:
        # As queries/obligations.py, `_LEAVE_REQUESTS`.
        for row in self._open_rows():
            if row.it.request_id in requests:
                row.it = replace(row.it, request_id=None)
                row.ask_paper_at = min(ask_at, row.it.due_at - self.policy.paper_lead)

    def _open_rows(self) -> list[Row]:
        return [row for _, row in sorted(self.tables.rows.items()) if row.it.state == ObligationState.OPEN]

    def _it(self, row: Row) -> Obligation:
        result = self.tables.results[row.it.result_id]
        return replace(row.it, held=result.held and result.value_revision == row.it.value_revision)

    def _note(self, kind: EntryKind, content: dict[str, Any], now: datetime) -> None:
        if self.tables.head is None:
            raise AssertionError("a chain has a head")
        told = {"kind": kind.value, "noted_at": now.isoformat(), "told": str(content)}
        self.tables.head, lines = append(self.tables.head, [told])
        self.tables.ledger += lines
        self.tables.noted.append({"kind": kind, **content})


def _in_force(event: ConsentChanged, now: datetime) -> bool:
    return event.decisions.cabinet is Decision.GIVEN and event.effective_from <= now
