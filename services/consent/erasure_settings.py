"""What the registry needs to know about erasing."""

from datetime import date, timedelta

from pydantic import Field

from chassis.settings import ServiceSettings
from services.consent.erasure_terms import Terms


class ErasureSettings(ServiceSettings):
    """Terms, calendar, and what the act of destruction says. Each term needs a lawyer's check (docs/privacy.md)."""

    erasure_withdrawal_days: float = Field(default=30, ge=0)
    """Days from a withdrawal of consent to the end of the term."""
    erasure_unlawful_working_days: int = Field(default=10, ge=0)
    """Working days where processing cannot be made lawful."""
    erasure_demand_working_days: int = Field(default=7, ge=0)
    """Working days where data was obtained unlawfully or is not needed."""
    erasure_lead_hours: float = Field(default=24, ge=0)
    """Erasing begins this long before the term's end, so that every service has confirmed by then."""
    erasure_confirmation_hours: float = Field(default=6, gt=0)
    """A confirmation that takes longer is listed and alerts."""
    holidays: tuple[date, ...] = ()
    """The district's closed days beside Saturdays and Sundays, as a JSON list of dates."""
    working_weekends: tuple[date, ...] = ()
    """Saturdays and Sundays on which the district works, as a JSON list of dates."""
    act_keep_days: float = Field(default=1096, gt=0)
    """How long acts of destruction and their event logs are kept: three years."""
    operator_name: str = ""
    """The operator of personal data in acts about a whole person; a school's own acts name the school."""
    operator_address: str = ""
    """Its address."""

    def terms(self, time_zone: str) -> Terms:
        """The terms of erasing.

        Args:
            time_zone: IANA name of the zone in which working days begin.
        """
        return Terms(
            withdrawal_days=self.erasure_withdrawal_days,
            unlawful_working_days=self.erasure_unlawful_working_days,
            demand_working_days=self.erasure_demand_working_days,
            holidays=frozenset(self.holidays),
            working_weekends=frozenset(self.working_weekends),
            time_zone=time_zone,
            lead=timedelta(hours=self.erasure_lead_hours),
        )
