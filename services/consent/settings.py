"""What the consent service needs to know."""

from typing import ClassVar
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from chassis.settings import ServiceSettings
from services.consent.model import Policy


class Settings(ServiceSettings):
    """Settings of the consent service."""

    SERVICE: ClassVar[str] = "consent"

    http_port: int = 8102
    heartbeat_seconds: float = Field(default=5, gt=0)
    """How often consumers are told how fresh their view of consents is; by default they bear 60 s of silence."""
    heartbeat_lock_seconds: float = Field(default=2, gt=0)
    """How long a heartbeat waits for registrations under way before it lets others pass and tries again."""
    adult_from_years: int = Field(default=18, ge=16, le=21)
    """From this age the student decides, and the representatives' consents end."""
    agreement_from_years: int = Field(default=14, ge=6, le=21)
    """From this age consent needs the student's own agreement too."""
    agreement_required: bool = True
    """Whether it does."""
    birthday_time_zone: str = "Europe/Moscow"
    """IANA name of the zone in which birthdays begin."""
    birthday_check_seconds: float = Field(default=60, gt=0)
    """How often it is asked whether somebody has come of age."""

    @field_validator("birthday_time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("not an IANA time zone, such as Europe/Moscow")
        return name

    def policy(self) -> Policy:
        """The rules of age."""
        return Policy(
            adult_from_years=self.adult_from_years,
            agreement_from_years=self.agreement_from_years,
            agreement_required=self.agreement_required,
            time_zone=self.birthday_time_zone,
        )
