"""What a district may set about the 24 hours."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from services.publisher.domain.preferences import QuietHours

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
    quiet: QuietHours = field(default_factory=QuietHours)
    """When nobody is disturbed, in the school's time zone, unless a recipient chose other hours."""
    quiet_break_lead: timedelta = timedelta(minutes=30)
    """So long before its deadline a message no longer waits for the end of quiet hours."""
    fallback_after: timedelta = timedelta(hours=2)
    """A message that is unsent so long after it should have been falls to the next channel."""
    message_fallback_lead: timedelta = timedelta(hours=1)
    """So long before its deadline it falls even earlier, but not before a quarter of `fallback_after` has passed."""
    digest_hour: int = 19
    """When digests are made, in the school's time zone."""
    digest_weekday: int = 5
    """On which day the weekly ones are, as ISO has it."""
    news_late: timedelta = timedelta(days=2)
    """News that the journal took so long before a digest's window are no news: they came with a replay."""
    representation_ends_at_majority: bool = True
    """From 18 the representatives' authority ends by law, whatever the journal says; only the student is told."""

    def fall_at(self, wanted: datetime, deadline: datetime | None) -> datetime:
        """When something that should be sent at an instant, and is not, falls to the next channel."""
        latest = wanted + self.fallback_after
        if deadline is None:
            return latest
        return min(latest, max(wanted + self.fallback_after / 4, deadline - self.message_fallback_lead))


def majority_on(birth_date: date) -> date:
    """The day on which someone comes of age; who was born on 29 February does on 1 March."""
    try:
        return birth_date.replace(year=birth_date.year + MAJORITY_YEARS)
    except ValueError:
        return date(birth_date.year + MAJORITY_YEARS, 3, 1)
