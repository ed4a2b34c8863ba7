"""The state machine: everything that may happen to one student's results, and what must hold after each step.

- I2: nobody is shown or sent anything without a consent that was in force a moment ago, and silence closes.
- I3: whatever is owed is available by its deadline, or on request by four hours before it, or counted as late by whom.
- I4: duplicates, and another order among the topics, end in the same state (`_order_matters` names what is excepted).
- I5: each availability has one entry in the ledger, with a ground that was in force; the chain holds.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.values import DISCLOSURE_TERM, Route
from services.consent.model import EndReason
from services.publisher.domain.deadlines import Late
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.ledger_check import verify
from services.publisher.domain.policy import Policy, majority_on
from services.publisher.domain.states import ObligationState
from tests.model.publisher import Publisher
from tests.model.world import (
    BIRTH_DATE,
    FATHER,
    MAJORITY_AT,
    MOTHER,
    RESULTS,
    SCHOOL,
    STALE_AFTER,
    START,
    STUDENT,
    Cabinet,
    Journal,
    Registry,
)

PEOPLE = st.sampled_from([MOTHER, FATHER])
ANYBODY = st.sampled_from([MOTHER, FATHER, STUDENT])
RESULT = st.sampled_from(RESULTS)
SPANS = st.sampled_from(
    [timedelta(seconds=5), timedelta(minutes=3), timedelta(hours=1), timedelta(hours=7), timedelta(hours=20, minutes=2)]
)
LEAD = timedelta(hours=4)

Apply = Callable[[Publisher, datetime], None]


class Diary(RuleBasedStateMachine):
    """A student with two representatives, two results, a publisher with a twin, a cabinet."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.policy = Policy()
        self.registry, self.journal, self.cabinet = Registry(), Journal(), Cabinet()
        self.publisher = Publisher(SCHOOL, STUDENT, self.policy)
        self.twin = Publisher(SCHOOL, STUDENT, self.policy)
        self.pending: dict[str, list[Apply]] = {"person": [], "account": [], "consent": [], "results": []}
        self.past: list[Apply] = []
        self.silent = False
        self.down = False
        self.printer = True
        self.answers = True
        self.revisions: dict[Any, int] = {}
        self.ended: dict[UUID, datetime] = {}
        self.owned: dict[UUID, bool] = {}
        self.checked = 0
        self.up_since = START

    # What happens

    @initialize(
        accounts=st.sets(ANYBODY),
        consents=st.sets(PEOPLE),
        email=st.booleans(),
        held=st.booleans(),
        answers=st.booleans(),
    )
    def begin(self, accounts: set[UUID], consents: set[UUID], email: bool, held: bool, answers: bool) -> None:
        self.answers = answers
        self._person(frozenset({MOTHER, FATHER}))
        for one in sorted(consents):
            self._consent(
                self.registry.decide(one, given=True, email=email, no_internet=False, delay=timedelta(0), now=self.now)
            )
        for one in sorted(accounts):
            self._account(one, active=True)
        self._deliver_all()
        self._mark(RESULTS[0], held, 0)

    @rule(result=RESULT, held=st.booleans(), ago=st.sampled_from([0, 0, 0, 1, 21, 30]))
    def mark(self, result: UUID, held: bool, ago: int) -> None:
        self._mark(result, held, ago)

    def _mark(self, result: UUID, held: bool, ago: int) -> None:
        if result not in self.journal.results:
            self._result(self.journal.mark(result, held=held, ago=timedelta(hours=ago), now=self.now))

    @rule(result=RESULT, held=st.booleans())
    def correct(self, result: UUID, held: bool) -> None:
        if result in self.journal.results:
            self._result(self.journal.correct(result, held=held, now=self.now))

    @rule(result=RESULT, held=st.booleans())
    def hold_or_release(self, result: UUID, held: bool) -> None:
        known = self.journal.results.get(result)
        if known is not None and known.state == "set" and known.held is not held:
            self._result(self.journal.change(result, held=held))

    @rule(result=RESULT)
    def withdraw_result(self, result: UUID) -> None:
        if result in self.journal.results:
            self._result(self.journal.change(result, state="withdrawn"))

    @rule(
        person=ANYBODY,
        email=st.booleans(),
        no_internet=st.sampled_from([False, False, True]),
        delay=st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=2)]),
    )
    def grant(self, person: UUID, email: bool, no_internet: bool, delay: timedelta) -> None:
        self._consent(
            self.registry.decide(person, given=True, email=email, no_internet=no_internet, delay=delay, now=self.now)
        )

    @rule(person=ANYBODY)
    def refuse(self, person: UUID) -> None:
        self._consent(
            self.registry.decide(person, given=False, email=False, no_internet=False, delay=timedelta(0), now=self.now)
        )

    @rule(person=ANYBODY)
    def withdraw(self, person: UUID) -> None:
        self._consent(self.registry.withdraw(person, self.now))

    @rule(person=PEOPLE)
    def lose_authority_by_the_registry(self, person: UUID) -> None:
        self._consent(self.registry.lose_authority(person, self.now))

    @rule(person=PEOPLE)
    def regain_authority_in_the_registry(self, person: UUID) -> None:
        self._consent(self.registry.regain_authority(person, self.now))

    @rule(person=PEOPLE)
    def lose_authority(self, person: UUID) -> None:
        if person in self.registry.represented:
            self._person(self.registry.represented - {person})
            self._consent(self.registry.end(person, EndReason.AUTHORITY_ENDED, self.now))

    @rule(person=PEOPLE)
    def regain_authority(self, person: UUID) -> None:
        if person not in self.registry.represented:
            self._person(self.registry.represented | {person})

    @rule(person=ANYBODY, active=st.booleans())
    def open_or_close_account(self, person: UUID, active: bool) -> None:
        self._account(person, active=active)

    @rule(data=st.data(), duplicates=st.integers(0, 3), crash=st.booleans())
    def deliver(self, data: st.DataObject, duplicates: int, crash: bool) -> None:
        """Everything that is on its way arrives; at the twin in another order among the topics, and more than once."""
        if self.down:
            return
        order = data.draw(st.permutations([name for name, some in self.pending.items() for _ in some]))
        if self._order_matters():
            order = sorted(order, key=list(self.pending).index)
        again = [data.draw(st.sampled_from(self.past)) for _ in range(duplicates) if self.past]
        self._deliver(order, again, crash=crash)

    def _order_matters(self) -> bool:
        """What is no mere order of delivery, but changes what was owed to whom, or met, at some moment.

        Who had authority when a result came is owed it; what the cabinet told before counts if the screen was open
        when the result came; and what was met before its correction came is met, and otherwise superseded.
        """
        told = [one.event for one in self.pending["consent"]]  # type: ignore[attr-defined]
        authority = any(one.authority == "ended" for one in (*told, *self.publisher.tables.consents.values()))
        corrects = any(one.corrects for one in self.pending["results"])  # type: ignore[attr-defined]
        return bool(self.pending["person"] or authority or corrects or self.publisher.tables.early)

    @rule(span=SPANS)
    def tick(self, span: timedelta) -> None:
        if span >= timedelta(hours=1) and not self.down:
            # Nothing is on its way for as long as that.
            self._deliver_all()
        self._advance(self.now + span)

    @precondition(lambda self: self.now < MAJORITY_AT)
    @rule(short=st.booleans())
    def turn_18(self, short: bool) -> None:
        if not self.silent:
            self._advance(MAJORITY_AT - timedelta(seconds=1) if short else MAJORITY_AT)

    @rule(silent=st.booleans())
    def registry_falls_silent_or_speaks(self, silent: bool) -> None:
        self.silent = silent

    @rule()
    def publisher_stops_or_starts(self) -> None:
        self.down = not self.down
        if not self.down:
            # What the process remembered is gone; what it missed comes now.
            self.publisher.stale_since = self.twin.stale_since = None
            self.up_since = self.now
            self._settle()

    @rule()
    def printer_stops_or_works(self) -> None:
        self.printer = not self.printer

    @rule()
    def cabinet_stops_or_acknowledges(self) -> None:
        self.answers = not self.answers

    # How it happens

    def _next(self, what: Any) -> int:
        self.revisions[what] = self.revisions.get(what, 0) + 1
        return self.revisions[what]

    def _person(self, representatives: frozenset[UUID]) -> None:
        self.registry.represented = representatives
        revision, adult_on = self._next("person"), majority_on(BIRTH_DATE)

        def apply(publisher: Publisher, now: datetime) -> None:
            publisher.person_changed(revision, representatives, adult_on, now)

        self.cabinet.representatives = representatives
        self.pending["person"].append(apply)

    def _account(self, person: UUID, *, active: bool) -> None:
        revision, at = self._next(person), self.now
        self.pending["account"].append(
            lambda publisher, now: publisher.account_changed(person, revision, active, at, now)
        )

    def _consent(self, event: Any) -> None:
        if event is not None:
            self._watch_truth()

            def apply(publisher: Publisher, now: datetime) -> None:
                publisher.consent_changed(event, now)

            apply.event = event  # type: ignore[attr-defined]  # the cabinet takes it from the same topic
            self.pending["consent"].append(apply)

    def _result(self, result: Any) -> None:
        self.cabinet.result_recorded(result, self.now)

        def apply(publisher: Publisher, now: datetime) -> None:
            publisher.result_recorded(result, now)

        apply.corrects = result.value_revision > 1 or result.state == "withdrawn"  # type: ignore[attr-defined]
        self.pending["results"].append(apply)

    def _deliver_all(self) -> None:
        self._deliver([name for name, some in self.pending.items() for _ in some], [], crash=False)

    def _deliver(self, order: list[str], again: list[Apply], *, crash: bool) -> None:
        """In the order of the topics to the one, in the given order among topics, with duplicates, to the other."""
        places = dict.fromkeys(self.pending, 0)
        for number, name in enumerate(order):
            if name == "consent" and self.silent:
                continue
            apply = self.pending[name][places[name]]
            places[name] += 1
            if crash and number == 0:
                self.twin.crash(lambda apply=apply: apply(self.twin, self.now))  # type: ignore[misc]
                # The other one's process starts anew, too: how long it has seen a stale view is not in a table.
                self.publisher.stale_since = None
            apply(self.twin, self.now)
            if number < len(again):
                again[number](self.twin, self.now)
        for name, some in self.pending.items():
            taken = some[: places[name]]
            for apply in taken:
                apply(self.publisher, self.now)
                if name == "consent":
                    self.cabinet.consent_changed(apply.event, self.now)  # type: ignore[attr-defined]
            self.past += taken
            del some[: places[name]]
        for apply in again[len(order) :]:
            apply(self.twin, self.now)
        self._settle()

    def _settle(self) -> None:
        """Heartbeats, the cabinet's word, the loops, the printer: until nothing is left at this instant."""
        if not self.silent:
            self._hear()
        for _ in range(3):
            if not self.down and self.answers:
                for version, seen in self.cabinet.acknowledgements(self.now).items():
                    self._both(lambda one, now, version=version, seen=seen: one.visible(version, seen, now))
            if not self.down:
                for publisher in (self.publisher, self.twin):
                    publisher.work(self.now)
            if self.printer and not self.down:
                self._print()

    def _hear(self) -> None:
        # A heartbeat travels behind the consents of its topic: whoever heard it has taken them.
        if not self.down:
            while self.pending["consent"]:
                apply = self.pending["consent"].pop(0)
                self.past.append(apply)
                apply(self.publisher, self.now)
                apply(self.twin, self.now)
                self.cabinet.consent_changed(apply.event, self.now)  # type: ignore[attr-defined]
            for publisher in (self.publisher, self.twin):
                publisher.heard(self.now)
        else:
            for apply in self.pending["consent"]:
                self.cabinet.consent_changed(apply.event, self.now)  # type: ignore[attr-defined]
        self.cabinet.heard_at = self.now

    def _print(self) -> None:
        for request, keys in sorted(self.publisher.tables.requests.items()):
            if request not in self.publisher.tables.printed:
                self._both(lambda one, now, request=request, keys=keys: one.printed(request, list(keys), now, now))

    def _both(self, apply: Any) -> None:
        for publisher in (self.publisher, self.twin):
            apply(publisher, self.now)
        self.past.append(apply)

    def _advance(self, until: datetime) -> None:
        """Time goes on from timer to timer, as the loops would wake."""
        for _ in range(2000):
            timers = [self.publisher.next_timer(self.now), MAJORITY_AT if self.now < MAJORITY_AT else None, until]
            timers += [one.obtained_at + DISCLOSURE_TERM for one in self.journal.results.values()]
            if self.silent and self.publisher.tables.heard_at is not None:
                timers += [self.publisher.tables.heard_at + STALE_AFTER * times for times in (1, 2, 3)]
            self.now = min(one for one in timers if one is not None and one > self.now)
            self._come_of_age()
            self._watch_truth()
            self._settle()
            if self.now >= until:
                return
            self._hold()
        raise AssertionError("time stands still")

    def _come_of_age(self) -> None:
        if self.now >= MAJORITY_AT:
            for person in (MOTHER, FATHER):
                self._consent(self.registry.end(person, EndReason.STUDENT_ADULT, self.now))

    def _watch_truth(self) -> None:
        for person in (MOTHER, FATHER, STUDENT):
            allowed = self.registry.allowed(person, self.now, adult=self.now >= MAJORITY_AT)
            if self.owned.get(person) and not allowed:
                self.ended[person] = self.now
            self.owned[person] = allowed

    # What must hold

    @invariant()
    def it_holds(self) -> None:
        self._watch_truth()
        self._hold()

    def _hold(self) -> None:
        self._nothing_is_shown_or_sent_without_consent()
        self._nothing_is_later_than_it_may_be()
        self._duplicates_and_order_change_nothing()
        self._everything_is_in_the_ledger_once()

    def _recently_allowed(self, person: UUID, at: datetime) -> bool:
        if self.registry.allowed(person, at, adult=at >= MAJORITY_AT):
            return True
        return person in self.ended and at - self.ended[person] <= STALE_AFTER

    def _nothing_is_shown_or_sent_without_consent(self) -> None:
        for person in (MOTHER, FATHER, STUDENT):
            if self.cabinet.opens_to(person, self.now):
                assert self._recently_allowed(person, self.now), "I2: shown without consent"
                assert person == STUDENT or person in self.registry.represented, "I2: shown without authority"
                assert self.cabinet.heard_at is not None
                assert self.now - self.cabinet.heard_at <= STALE_AFTER, "I2: shown in silence"
        for publisher in (self.publisher, self.twin):
            for row in publisher.tables.rows.values():
                if (
                    row.it.state == ObligationState.OPEN
                    and row.it.route is Route.SCREEN
                    and not self.pending["consent"]
                ):
                    assert self._recently_allowed(row.it.recipient_id, self.now), "I2: owed on a screen that is closed"
            for at, person, consent in publisher.sent:
                assert self._recently_allowed(person, at), "I2: sent without consent"
                given = consent is not None and consent.decisions.email == "given"
                assert given, "I2: sent without consent for e-mail"
            publisher.sent = []

    def _nothing_is_later_than_it_may_be(self) -> None:
        for row in self.publisher.tables.rows.values():
            term = row.it.obtained_at + DISCLOSURE_TERM
            assert row.it.due_at <= term, "I3: more than 24 hours were given"
            if row.it.state == ObligationState.AVAILABLE:
                assert row.available_at is not None
                late = Late.AT_SOURCE if row.it.recorded_at > term else Late.BY_US
                assert row.late is (late if row.available_at > row.it.due_at else Late.NO), "I3: blamed wrongly"
            if row.it.state == ObligationState.OPEN and not self.down:
                self._is_on_its_way(row)
        for before, after in self.publisher.dues:
            assert after <= before, "I3: a correction bought time"
        for result in self.journal.results.values():
            if result.state != "withdrawn" and self.now >= result.obtained_at + DISCLOSURE_TERM:
                shown = {(one.result.result_id, one.result.value_revision) for one in self.cabinet.shows(self.now)}
                assert (result.result_id, result.value_revision) in shown, "I3: a hold outlived the deadline"

    def _is_on_its_way(self, row: Any) -> None:
        grace = self.policy.acknowledgement_grace
        if self.now >= max(row.it.due_at, row.opened_at) + grace:
            late = Late.AT_SOURCE if row.it.recorded_at > row.it.obtained_at + DISCLOSURE_TERM else Late.BY_US
            assert (row.overdue_at is not None, row.overdue_late) == (True, late), "I3: late and not counted"
        result = self.publisher.tables.results[row.it.result_id]
        held = result.held and result.value_revision == row.it.value_revision and self.now < row.it.due_at
        if row.it.route is Route.PAPER and self.now >= row.it.due_at - LEAD:
            assert row.it.request_id is not None, "I3: no paper was asked for four hours before the deadline"
        if row.it.route is Route.SCREEN and not held:
            # What has just opened, or become visible by the clock, is given the time to be acknowledged.
            wait = max(row.it.due_at - LEAD, row.touched_at + grace)
            just_due = result.held and self.now < row.it.due_at + grace
            assert just_due or self.now < wait, "I3: still on a screen that shows nothing"

    def _duplicates_and_order_change_nothing(self) -> None:
        assert _snapshot(self.publisher) == _snapshot(self.twin), "I4: another order or a duplicate changed something"

    def _everything_is_in_the_ledger_once(self) -> None:
        for publisher in (self.publisher, self.twin):
            available = [one for one in publisher.tables.noted if one["kind"] is EntryKind.AVAILABLE]
            told = {one["key"]: one for one in available}
            assert len(told) == len(available), "I5: one availability has two entries"
            rows = publisher.tables.rows
            met = {key for key, row in rows.items() if row.it.state == ObligationState.AVAILABLE}
            assert told.keys() == met, "I5: the ledger and the obligations differ"
            for key, one in told.items():
                if one["route"] is Route.SCREEN:
                    assert one["ground"] is not None, "I5: a screen without a ground"
                    assert self.registry.was_in_force(one["ground"], one["at"]), "I5: the ground was not in force"
                assert rows[key].ground == one["ground"]
            tail = publisher.tables.ledger[self.checked :] if publisher is self.publisher else []
            for before, line in zip(publisher.tables.ledger[max(0, self.checked - 1) :], tail[1:], strict=False):
                assert line.prev_hash == before.hash or self.checked, "I5: the chain is broken"
        self.checked = len(self.publisher.tables.ledger)

    def teardown(self) -> None:
        for publisher in (self.publisher, self.twin):
            head = publisher.tables.head
            assert head is not None
            assert verify(publisher.tables.ledger, [head]) == [], "I5: the chain is broken"


def _snapshot(publisher: Publisher) -> Any:
    """What must not depend on the order of events: whatever is owed, was met or is sent."""
    tables = publisher.tables
    rows = {
        key: (
            row.it.state, row.it.route, row.it.moved_reason, row.it.due_at, row.it.request_id is not None,
            row.ask_paper_at, row.fall_back_at, row.available_at, row.late, row.ground, row.overdue_at,
        )
        for key, row in tables.rows.items()
        # What was opened and ended again is as good as what never was, and its last route says nothing.
        if row.it.state in {ObligationState.OPEN, ObligationState.AVAILABLE}
    }  # fmt: skip
    mails = {
        person: [(sorted(mail.items), mail.state) for mail in some if mail.state != "cancelled"]
        for person, some in tables.mails.items()
    }
    return rows, {person: some for person, some in mails.items() if some}, len(tables.requests)
