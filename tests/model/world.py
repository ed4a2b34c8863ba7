"""What stands around the publisher: the registry of consents, the journal, the cabinet; each with its own rules."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.base import PersonId, SchoolId, StudentId
from contracts.consent_changed import ConsentChanged
from contracts.values import DISCLOSURE_TERM, Decision
from services.cabinet import domain as cabinet
from services.consent import domain as registry
from services.consent.events import consent_changed
from services.consent.faults import Refused
from services.consent.model import Answer, Answers, Consent, EndReason, Entry, Pair, Policy, Withdrawal
from services.publisher.domain.policy import majority_on
from services.publisher.domain.results import Result
from services.publisher.domain.routes import Ground
from tests.unit.test_consent_document import a_form

SCHOOL, STUDENT, MOTHER, FATHER = (UUID(int=one) for one in (1, 2, 3, 4))
RESULTS = [UUID(int=one) for one in (11, 12)]
START = datetime(2026, 10, 23, 11, 0, tzinfo=UTC)
BIRTH_DATE = date(2008, 10, 27)
"""Comes of age four days after the start."""
STALE_AFTER = timedelta(seconds=60)
MAJORITY_AT = datetime.combine(majority_on(BIRTH_DATE), time(), ZoneInfo("Europe/Moscow")).astimezone(UTC)


@dataclass
class Registry:
    """The registry of consents, and what was true of them at every instant."""

    represented: frozenset[UUID] = frozenset({MOTHER, FATHER})
    consents: dict[UUID, Consent] = field(default_factory=dict)
    history: list[tuple[datetime, Consent]] = field(default_factory=list)
    numbers: int = 0

    def decide(
        self, person: UUID, *, given: bool, email: bool, no_internet: bool, delay: timedelta, now: datetime
    ) -> Any:
        """Consent or refusal on paper; the event, or None if it is refused or known."""
        word = Decision.GIVEN if given else Decision.REFUSED
        answer = Answer(
            PersonId(person),
            StudentId(STUDENT),
            Answers(word, Decision.GIVEN if given and email else Decision.UNANSWERED),
            "paper",
            a_form(),
            no_internet=no_internet,
            email_address=f"{person.int}@example.org" if given and email else None,
            student_agreed=True,
            effective_from=now + delay if delay and given else None,
        )
        return self._kept(lambda: registry.decide(answer, self._pair(person), Policy(), now), now)

    def withdraw(self, person: UUID, now: datetime) -> ConsentChanged | None:
        """Consent taken back."""
        withdrawal = Withdrawal(PersonId(person), StudentId(STUDENT))
        return self._kept(lambda: registry.withdraw(withdrawal, self._pair(person), now), now)

    def end(self, person: UUID, reason: EndReason, now: datetime) -> ConsentChanged | None:
        """The ground of a consent is gone."""
        consent = self.consents.get(person)
        return self._kept(lambda: registry.end(consent, reason, now) if consent else None, now)

    def lose_authority(self, person: UUID, now: datetime) -> ConsentChanged | None:
        """By the registry's own document or term, whatever the journal says."""
        found = registry.without_authority(self._pair(person), PersonId(person), StudentId(STUDENT), now)
        return self._keep(found, now)

    def regain_authority(self, person: UUID, now: datetime) -> ConsentChanged | None:
        """The authority was restored."""
        return self._keep(registry.with_authority(self.consents.get(person)), now)

    def allowed(self, person: UUID, now: datetime, *, adult: bool) -> bool:
        """Whether the truth lets somebody see electronically now; restated here, apart from everybody's rules."""
        if person == STUDENT and not adult:
            return any(self.allowed(one, now, adult=False) for one in self.represented)
        consent = self.consents.get(person)
        if consent is None or (adult and person != STUDENT) or consent.authority == "ended":
            return False
        return consent.answers.cabinet is Decision.GIVEN and consent.effective_from <= now

    def was_in_force(self, ground: Ground, at: datetime) -> bool:
        """Whether a revision of a consent ever let somebody see from an instant."""
        return any(
            (consent.consent_id, consent.revision) == (ground.consent_id, ground.revision)
            and consent.answers.cabinet is Decision.GIVEN
            and consent.effective_from <= at
            for _, consent in self.history
        )

    def _pair(self, person: UUID) -> Pair:
        consent = self.consents.get(person)
        in_force = person in self.represented and (consent is None or consent.authority == "in_force")
        return Pair(SchoolId(SCHOOL), BIRTH_DATE, in_force, consent)

    def _kept(self, decide: Callable[[], Entry | None], now: datetime) -> ConsentChanged | None:
        try:
            entry = decide()
        except Refused:
            return None
        return self._keep(entry, now)

    def _keep(self, found: Entry | Consent | None, now: datetime) -> ConsentChanged | None:
        if found is None:
            return None
        consent = found.consent if isinstance(found, Entry) else found
        self.consents[consent.representative_id] = consent
        self.history.append((now, consent))
        return consent_changed(consent)


@dataclass
class Shown:
    """A version as the cabinet projected it."""

    result: Result
    projected_at: datetime
    released_at: datetime | None


@dataclass
class Cabinet:
    """The cabinet's own view, fed by the same events, and what a read of it shows by its domain's rules."""

    representatives: frozenset[UUID] = frozenset()
    consents: dict[UUID, ConsentChanged] = field(default_factory=dict)
    known_since: dict[UUID, datetime] = field(default_factory=dict)
    heard_at: datetime | None = None
    versions: dict[tuple[UUID, int], Shown] = field(default_factory=dict)
    latest: dict[UUID, int] = field(default_factory=dict)
    acknowledged: set[tuple[UUID, int, UUID]] = field(default_factory=set)

    def consent_changed(self, event: ConsentChanged, now: datetime) -> None:
        """Keeps the higher revision."""
        before = self.consents.get(event.representative_id)
        if before is None or event.revision > before.revision:
            self.consents[event.representative_id] = event
            self.known_since[event.representative_id] = now

    def result_recorded(self, result: Result, now: datetime) -> None:
        """Keeps each version, with the higher revision of it."""
        if result.revision <= self.latest.get(result.result_id, 0):
            return
        self.latest[result.result_id] = result.revision
        version = (result.result_id, result.value_revision)
        before = self.versions.get(version)
        released = now if not result.held else None
        if before is not None and before.released_at is not None and not result.held:
            released = before.released_at
        self.versions[version] = Shown(result, before.projected_at if before else now, released)

    def opens_to(self, person: UUID, now: datetime) -> bool:
        """Whether a read by somebody would be answered."""
        student = cabinet.Student(STUDENT, BIRTH_DATE, "Europe/Moscow", self.representatives)
        consents = [
            cabinet.Consent(one.representative_id, STUDENT, one.decisions.cabinet, one.effective_from)
            for one in self.consents.values()
            if one.authority == "in_force"
        ]
        beats = [] if self.heard_at is None else [cabinet.Heartbeat(0, self.heard_at, 1)]
        rules = cabinet.Rules(STALE_AFTER)
        fresh = cabinet.consents_fresh(beats, now, rules)
        access = cabinet.access(person, student, consents, fresh=fresh, now=now, rules=rules)
        return access is cabinet.Access.OPEN

    def shows(self, now: datetime) -> list[Shown]:
        """What a read that is answered would show."""
        versions = [
            cabinet.ResultVersion(
                one.result.result_id,
                one.result.value_revision,
                STUDENT,
                one.result.held,
                one.result.obtained_at + DISCLOSURE_TERM,
                one.result.state == "withdrawn",
            )
            for one in self.versions.values()
        ]
        found = cabinet.shown(versions, now)
        return [self.versions[one.result_id, one.value_revision] for one in found]

    def acknowledgements(self, now: datetime) -> dict[tuple[UUID, int], dict[UUID, tuple[datetime, Ground]]]:
        """What it has not told yet: since when a read would have shown what to whom, and on which ground."""
        told: dict[tuple[UUID, int], dict[UUID, tuple[datetime, Ground]]] = {}
        for one in self.shows(now):
            version = (one.result.result_id, one.result.value_revision)
            due = one.result.obtained_at + DISCLOSURE_TERM
            since = max(one.projected_at, min(due, one.released_at or due))
            for person in (MOTHER, FATHER, STUDENT):
                if (*version, person) in self.acknowledged or not self.opens_to(person, now):
                    continue
                ground = self._ground(person, now)
                if ground is None:
                    continue
                at = max(since, ground.effective_from, self.known_since[ground.representative_id])
                self.acknowledged.add((*version, person))
                told.setdefault(version, {})[person] = (at, Ground(ground.consent_id, ground.revision))
        return told

    def _ground(self, person: UUID, now: datetime) -> ConsentChanged | None:
        in_force = [
            one
            for one in self.consents.values()
            if one.decisions.cabinet is Decision.GIVEN and one.effective_from <= now and one.authority == "in_force"
        ]
        own = [one for one in in_force if one.representative_id == person]
        others = [one for one in in_force if one.representative_id in self.representatives]
        return next(iter(own or sorted(others, key=lambda one: one.consent_id)), None)


@dataclass
class Journal:
    """Results as they come to be: a correction after release has an instant and 24 hours of its own."""

    results: dict[UUID, Result] = field(default_factory=dict)

    def mark(self, result_id: UUID, *, held: bool, ago: timedelta, now: datetime) -> Result:
        """A result is set; its source may tell of it late."""
        return self._keep(
            Result(
                result_id, 1, 1, SCHOOL, STUDENT, "final_grade", "set", "Алгебра", now - ago, now, held=held, value="4"
            )
        )

    def correct(self, result_id: UUID, *, held: bool, now: datetime) -> Result:
        """Another value: of something held and not due the instant stays, otherwise it is the correction's own."""
        before = self.results[result_id]
        stays = before.held_at(now)
        return self._keep(
            replace(
                before,
                revision=before.revision + 1,
                value_revision=before.revision + 1,
                state="set",
                held=held,
                obtained_at=before.obtained_at if stays else now,
                recorded_at=now,
            )
        )

    def change(self, result_id: UUID, **different: Any) -> Result:
        """A hold, a release or a withdrawal: the same value."""
        before = self.results[result_id]
        return self._keep(replace(before, revision=before.revision + 1, **different))

    def _keep(self, result: Result) -> Result:
        self.results[result.result_id] = result
        return result
