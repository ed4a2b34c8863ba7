"""When data must be gone: the grounds, their terms, and how working days are counted. No I/O, no clock of its own."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_SATURDAY = 5


class Demand(StrEnum):
    """A ground on which somebody asks for an erasure. Those that follow a decision about consent come by themselves."""

    CONSENT_WITHDRAWN = "consent_withdrawn"
    """Consent was taken back in a way that this registry did not see: 30 days (152-FZ, art. 21, part 5)."""
    UNLAWFUL_PROCESSING = "unlawful_processing"
    """Processing that cannot be made lawful: 10 working days (152-FZ, art. 21, part 3)."""
    UNLAWFULLY_OBTAINED = "unlawfully_obtained"
    """Obtained unlawfully or not needed for the purpose: 7 working days (152-FZ, art. 20, part 3)."""
    PURPOSE_REACHED = "purpose_reached"
    """The purpose is reached, as when a student has left for good: 30 days (152-FZ, art. 21, part 4)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms, and which days count. A lawyer's word may change them, so each is a setting."""

    withdrawal_days: float = 30
    unlawful_working_days: int = 10
    demand_working_days: int = 7
    holidays: Collection[date] = frozenset()
    """Closed days beside Saturdays and Sundays."""
    working_weekends: Collection[date] = frozenset()
    """Saturdays and Sundays on which the district works, as the yearly calendar moves them."""
    time_zone: str = "Europe/Moscow"
    lead: timedelta = timedelta(hours=24)
    """Erasing begins this long before the term's end, so that every service has confirmed by then."""

    def due_at(self, demand: Demand, now: datetime) -> datetime:
        """The end of the term that begins now: an instant, or the end of the last working day."""
        working = {
            Demand.UNLAWFUL_PROCESSING: self.unlawful_working_days,
            Demand.UNLAWFULLY_OBTAINED: self.demand_working_days,
        }.get(demand)
        if working is None:
            return now + timedelta(days=self.withdrawal_days)
        zone = ZoneInfo(self.time_zone)
        last = self.after_working_days(now.astimezone(zone).date(), working)
        return datetime.combine(last + timedelta(days=1), time(), zone)

    def start_at(self, due_at: datetime, now: datetime) -> datetime:
        """When erasing begins."""
        return max(now, due_at - self.lead)

    def after_working_days(self, day: date, count: int) -> date:
        """The `count`-th working day after a day, which itself does not count (Civil Code, art. 191)."""
        while count:
            day += timedelta(days=1)
            count -= self.is_working(day)
        return day

    def is_working(self, day: date) -> bool:
        """Whether the district works on that day."""
        if day in self.working_weekends:
            return True
        return day.weekday() < _SATURDAY and day not in self.holidays
