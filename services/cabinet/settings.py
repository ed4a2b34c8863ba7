"""Settings of the cabinet; every knob has its unit in its name."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from chassis.addresses import TrustedProxies
from chassis.settings import ServiceSettings
from services.cabinet.domain import Rules


class Settings(ServiceSettings):
    """`SUTKI_CABINET_…`, or `SUTKI_…` for what all services share."""

    SERVICE: ClassVar[str] = "cabinet"

    http_port: int = Field(default=8100, ge=1, le=65535)

    consent_stale_after_seconds: float = Field(default=60, gt=0)
    """Without a heartbeat from the registry of consents for this long, nothing is shown (I2)."""
    majority_age_years: int = Field(default=18, ge=14, le=25)
    """From this age on the student decides, and the representatives' consents end."""

    cookie_secure: bool = True
    """Off only for a demonstration over plain http on one machine."""
    session_hours: float = Field(default=336, gt=0)
    """A sign-in ends after this, whatever happens."""
    session_idle_hours: float = Field(default=72, gt=0)
    """A sign-in that is not used ends after this."""
    invitation_days: float = Field(default=60, gt=0)
    """How long an invitation code can be used."""
    password_min_length: int = Field(default=10, ge=8, le=64)

    sign_in_window_seconds: float = Field(default=900, gt=0)
    """Failed attempts are counted over this time."""
    sign_in_failures_per_login: int = Field(default=10, ge=1)
    """Of one login from one address. Counted over all addresses, anybody could close anybody's login for good."""
    sign_in_failures_per_address: int = Field(default=100, ge=1)
    """Higher than that of a login: a school's network has one address."""
    sign_in_failures_before_slow: int = Field(default=20, ge=1)
    """After so many of one login from all addresses together every further attempt waits."""
    sign_in_slow_seconds: float = Field(default=3, ge=0, le=30)
    """How long such an attempt waits before its password is looked at, the right one too."""
    trusted_proxies: TrustedProxies = ()
    """Networks of the proxies before us, separated by commas. `X-Forwarded-For` is believed from them alone."""

    argon2_time_cost: int = Field(default=2, ge=1)
    argon2_memory_kib: int = Field(default=19_456, ge=8)
    argon2_parallelism: int = Field(default=1, ge=1)
    """The defaults of the three are OWASP's (Password Storage Cheat Sheet)."""
    argon2_threads: int = Field(default=2, ge=1)
    """Passwords hashed at the same time; each takes `argon2_memory_kib`."""

    acknowledgement_batch: int = Field(default=200, ge=1)
    """Students looked at in one round of the acknowledging loop."""

    @property
    def rules(self) -> Rules:
        """The part of the settings by which it is decided who may read."""
        return Rules(timedelta(seconds=self.consent_stale_after_seconds), self.majority_age_years)
