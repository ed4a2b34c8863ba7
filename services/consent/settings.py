"""What the consent service needs to know."""

from typing import ClassVar, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from services.consent.erasure_act import Operator
from services.consent.erasure_settings import ErasureSettings
from services.consent.model import Policy


class Settings(ErasureSettings):
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
    """How often it is asked whether somebody has come of age, or to the age of agreement."""
    agreement_missing: Literal["keep", "close"] = "keep"
    """What becomes of consents given before that age, when the student's agreement is still missing after its term."""
    agreement_term_days: int = Field(default=30, ge=0, le=3660)
    """How long it may be missing after it was first asked for."""
    on_transfer: Literal["keep", "close"] = "close"
    """What becomes of consents when the student comes to another school, until that one has asked anew."""
    authority_check_seconds: float = Field(default=5, gt=0)
    """How often it is asked whether an authority has run out; the loop also wakes for the next that will."""
    cabinet_url: str = Field(default="http://127.0.0.1:8100", pattern=r"^https?://[^\s]+$")
    """Where families open the cabinet; stands on the receipts."""
    invitation_days: float = Field(default=60, gt=0, le=366)
    """How long an invitation code can be used."""

    @field_validator("birthday_time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("not an IANA time zone, such as Europe/Moscow")
        return name

    def operator(self) -> Operator:
        """Who answers for the data of people whom no single school does."""
        return Operator(self.operator_name, self.operator_address, self.birthday_time_zone)

    def policy(self) -> Policy:
        """The rules of age and of transfer."""
        return Policy(
            adult_from_years=self.adult_from_years,
            agreement_from_years=self.agreement_from_years,
            agreement_required=self.agreement_required,
            time_zone=self.birthday_time_zone,
            agreement_missing=self.agreement_missing,
            agreement_term_days=self.agreement_term_days,
            on_transfer=self.on_transfer,
        )
