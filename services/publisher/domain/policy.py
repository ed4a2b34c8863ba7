"""What a district may set about the 24 hours."""

from dataclasses import dataclass
from datetime import date, timedelta

MAJORITY_YEARS = 18
"""From this age the student decides; until then the representatives do."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that the rules depend on, as durations."""

    paper_grouping: timedelta = timedelta(minutes=10)
    """Paper results of one child and recipient that come within this time share one extract."""
    paper_lead: timedelta = timedelta(hours=4)
    """Paper is asked for at the latest this long before the deadline, held or not: printing needs a person."""
    fallback_lead: timedelta = timedelta(hours=4)
    """What the screen has not shown this long before the deadline moves to paper."""
    notify_grouping: timedelta = timedelta(minutes=10)
    """Results of one child that come within this time are told in one mail."""
    acknowledgement_grace: timedelta = timedelta(minutes=1)
    """How long an acknowledgement of something that happened in time may be on its way: nothing is called overdue or
    moved to paper before."""
    consent_stale_after: timedelta = timedelta(minutes=1)
    """A view of consents older than this closes the electronic channels."""
    representation_ends_at_majority: bool = True
    """From 18 the representatives' authority ends by law, whatever the journal says; only the student is told."""


def majority_on(birth_date: date) -> date:
    """The day on which someone comes of age; who was born on 29 February does on 1 March."""
    try:
        return birth_date.replace(year=birth_date.year + MAJORITY_YEARS)
    except ValueError:
        return date(birth_date.year + MAJORITY_YEARS, 3, 1)
