"""By which route a result reaches each of its recipients (clauses C2.1, C2.4 and C6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.values import Route
from services.publisher.domain.preferences import Channel


@dataclass(frozen=True, slots=True)
class Ground:
    """The consent on which an electronic channel stands, in the revision that was in force."""

    consent_id: UUID
    revision: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to whom a student's results are owed, with everything that decides about the route."""

    recipient_id: UUID
    is_student: bool
    has_account: bool = False
    account_since: datetime | None = None
    consent: Ground | None = None
    """The present state of the pair's consent, in force or not; None when there was never an answer."""
    cabinet_in_force: bool = False
    """Given for the cabinet, and already effective."""
    email_in_force: bool = False
    """Given for e-mail and for the cabinet, effective, and with an address."""
    no_internet: bool = False
    effective_from: datetime | None = None
    push_in_force: bool = False
    """Given for push and for the cabinet, and effective."""

    @property
    def electronic_channels(self) -> frozenset[Channel]:
        """The channels by which consent allows to tell something, beside the cabinet itself."""
        allowed = {Channel.EMAIL: self.email_in_force, Channel.PUSH: self.push_in_force}
        return frozenset(channel for channel, holds in allowed.items() if holds and not self.no_internet)


@dataclass(frozen=True, slots=True)
class Household:
    """One student with all recipients: what the routes of the student's results follow from."""

    student_id: UUID
    school_id: UUID
    adult: bool
    recipients: tuple[Recipient, ...]

    def routes(self) -> dict[UUID, Route]:
        """The route of each recipient."""
        return {recipient.recipient_id: route_for(recipient, self) for recipient in self.recipients}

    def find(self, recipient_id: UUID) -> Recipient | None:
        """The recipient with this id, if the student's results are owed to them."""
        return next((one for one in self.recipients if one.recipient_id == recipient_id), None)


def recipients_in_law(
    candidates: Iterable[Recipient], *, adult: bool, representation_ends_at_majority: bool
) -> tuple[Recipient, ...]:
    """Who of the representatives in force and the student is told: everybody, until the student comes of age."""
    alone = adult and representation_ends_at_majority
    return tuple(one for one in candidates if one.is_student or not alone)


def route_for(recipient: Recipient, household: Household) -> Route:
    """The route of every result of the household's student to one of its recipients.

    - A representative reads on the screen while their consent is in force, they have an account and did not state that
      they have no internet; otherwise they get paper.
    - A student under 18 reads on the screen while the consent of at least one representative is in force and
      the student has an account; otherwise what a representative gets serves both. With no representative it is paper.
    - From 18 the student's own consent decides, as for a representative.
    """
    if not recipient.is_student or household.adult:
        screen = recipient.cabinet_in_force and recipient.has_account and not recipient.no_internet
        return Route.SCREEN if screen else Route.PAPER
    representatives = [one for one in household.recipients if not one.is_student]
    if not representatives:
        return Route.PAPER
    if recipient.has_account and any(one.cabinet_in_force for one in representatives):
        return Route.SCREEN
    return Route.WITH_REPRESENTATIVE


def ground_of(recipient: Recipient, household: Household) -> Ground | None:
    """The consent that opens the screen to a recipient; for a student under 18, that of the first representative."""
    if recipient.cabinet_in_force:
        return recipient.consent
    if recipient.is_student and not household.adult:
        grounds = [
            one.consent for one in household.recipients if one.cabinet_in_force and one.consent and not one.is_student
        ]
        return min(grounds, key=lambda ground: ground.consent_id, default=None)
    return None


def screen_open_since(recipient: Recipient, household: Household) -> datetime | None:
    """The instant from which account and consent together let the recipient read; None when that is not known."""
    if recipient.is_student and not household.adult:
        effective = [one.effective_from for one in household.recipients if one.cabinet_in_force and one.effective_from]
        consent_since = min(effective, default=None)
    else:
        consent_since = recipient.effective_from
    return latest([consent_since, recipient.account_since])


def latest(instants: Sequence[datetime | None]) -> datetime | None:
    """The latest of those that are known."""
    return max((instant for instant in instants if instant is not None), default=None)
