"""What the gradebook needs to know."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from chassis.addresses import TrustedProxies
from chassis.settings import ServiceSettings
from services.gradebook.exchange import Limits
from services.gradebook.oneroster_rest.token_limits import TokenLimits


class Settings(ServiceSettings):
    """Settings of the gradebook."""

    SERVICE: ClassVar[str] = "gradebook"

    http_port: int = 8101
    http_max_body_bytes: int = Field(default=520 << 20, ge=1024)
    """A longer request is refused before it is read; room for the largest upload."""
    bulk_max_bytes: int = Field(default=16 << 20, gt=0)
    """The largest body of a bulk request."""
    import_max_upload_bytes: int = Field(default=512 << 20, gt=0)
    """The largest file that is taken over HTTP."""
    import_max_unpacked_bytes: int = Field(default=4 << 30, gt=0)
    """What an archive may unpack to, all files together."""
    import_max_ratio: int = Field(default=200, gt=1)
    """How many bytes one byte of an archive may become, once it is more than `import_ratio_from_bytes`."""
    import_ratio_from_bytes: int = Field(default=32 << 20, gt=0)
    """Below this an archive may be as compressible as it likes."""
    import_max_files: int = Field(default=200, gt=0)
    """How many files an archive may hold."""
    idempotency_keep_hours: float = Field(default=48, gt=0)
    """How long the answer to a request with an `Idempotency-Key` is given again."""
    changes_keep_days: float = Field(default=400, gt=0)
    """How long the feed of changes goes back: more than a school year."""
    public_url: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    """Where other systems reach this API when a proxy stands before it; empty: where they asked. Links lead there."""
    token_window_seconds: float = Field(default=900, gt=0)
    """Requests for OneRoster's access tokens are counted over this time."""
    token_failures_per_client: int = Field(default=10, ge=1)
    """Wrong secrets of one client from one address. Over all addresses, anybody could shut out anybody's client."""
    token_failures_per_address: int = Field(default=100, ge=1)
    """Wrong secrets from one address, of whatever client."""
    tokens_per_client: int = Field(default=400, ge=1)
    """Requests with the right secret; a token lasts an hour, so that a client needs few."""
    trusted_proxies: TrustedProxies = ()
    """Networks of the proxies before us, separated by commas. `X-Forwarded-For` is believed from them alone."""
    watch_seconds: float = Field(default=15, gt=0)
    """How often it is measured how long results have been on their way to the family."""
    canary_seconds: float = Field(default=0, ge=0)
    """How often each school's synthetic result is sent through the whole path; 0: never. As in the publisher."""

    def token_limits(self) -> TokenLimits:
        """How often access tokens may be asked for."""
        return TokenLimits(
            window=timedelta(seconds=self.token_window_seconds),
            failures_per_client=self.token_failures_per_client,
            failures_per_address=self.token_failures_per_address,
            requests_per_client=self.tokens_per_client,
            trusted_proxies=self.trusted_proxies,
        )

    def limits(self) -> Limits:
        """What an import may unpack."""
        return Limits(
            max_files=self.import_max_files,
            max_total_bytes=self.import_max_unpacked_bytes,
            max_ratio=self.import_max_ratio,
            ratio_from_bytes=self.import_ratio_from_bytes,
        )
