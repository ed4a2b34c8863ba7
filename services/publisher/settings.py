"""The publisher's settings; each is `SUTKI_PUBLISHER_<NAME>` or `SUTKI_<NAME>` in the environment."""

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings
from services.publisher.domain.letters import Backoff
from services.publisher.domain.policy import Policy
from services.publisher.mail.compose import Letterhead
from services.publisher.mail.sender import Sending
from services.publisher.mail.smtp import Server


class Settings(ServiceSettings):
    """What may be set. The defaults are those of the regulation's reading."""

    SERVICE: ClassVar[str] = "publisher"

    http_port: int = Field(default=8103, ge=1, le=65535)

    paper_grouping_seconds: float = Field(default=600, ge=0)
    """Paper results of one child and recipient that come within this time share one extract."""
    paper_lead_hours: float = Field(default=4, gt=0, lt=24)
    """Paper is asked for at the latest this long before the deadline, held or not."""
    fallback_lead_hours: float = Field(default=4, gt=0, lt=24)
    """What the screen has not shown this long before the deadline moves to paper."""
    acknowledgement_grace_seconds: float = Field(default=60, ge=0)
    """How long an acknowledgement may be on its way before an obligation is called overdue or moved to paper."""
    consent_stale_after_seconds: float = Field(default=60, gt=0)
    """A view of consents older than this closes the electronic channels."""
    representation_ends_at_majority: bool = True
    """From 18 only the student is told, whatever representatives the journal still names."""
    early_retention_days: float = Field(default=60, gt=0)
    """How long an acknowledgement is kept that fits no obligation."""

    notify_grouping_seconds: float = Field(default=600, ge=0)
    """Results of one child that come within this time are told in one mail."""
    cabinet_url: str = "http://127.0.0.1:8100"
    """Where families sign in; the link in every mail."""
    unsubscribe_url: str | None = None
    """Where a recipient ends the mails (List-Unsubscribe); the cabinet when not set."""
    mail_from: str = "diary@localhost.localdomain"
    mail_from_name: str = "Сутки — электронный дневник"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=1025, ge=1, le=65535)
    smtp_tls: Literal["none", "starttls", "tls"] = "none"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_timeout_seconds: float = Field(default=30, gt=0)
    """For each answer of the mail server."""
    smtp_connections: int = Field(default=4, ge=1, le=64)
    """Kept connections to the mail server, each with a loop of its own."""
    smtp_claim_batch: int = Field(default=5, ge=1, le=100)
    """Mails that one connection claims at a time; what a crash may leave undecided grows with it."""
    smtp_max_attempts: int = Field(default=12, ge=1)
    retry_base_seconds: float = Field(default=30, gt=0)
    """The first wait after a temporary refusal; it doubles with each."""
    retry_max_seconds: float = Field(default=3600, gt=0)
    claim_timeout_seconds: float = Field(default=120, gt=0)
    """A claim older than this whose process has not been heard of for as long is undecided."""

    def policy(self) -> Policy:
        """The settings that the rules depend on."""
        return Policy(
            paper_grouping=timedelta(seconds=self.paper_grouping_seconds),
            paper_lead=timedelta(hours=self.paper_lead_hours),
            fallback_lead=timedelta(hours=self.fallback_lead_hours),
            notify_grouping=timedelta(seconds=self.notify_grouping_seconds),
            acknowledgement_grace=timedelta(seconds=self.acknowledgement_grace_seconds),
            consent_stale_after=timedelta(seconds=self.consent_stale_after_seconds),
            representation_ends_at_majority=self.representation_ends_at_majority,
        )

    def sending(self) -> Sending:
        """How mails are sent."""
        password = self.smtp_password.get_secret_value() if self.smtp_password else None
        return Sending(
            server=Server(
                self.smtp_host, self.smtp_port, self.smtp_tls, self.smtp_user, password, self.smtp_timeout_seconds
            ),
            letterhead=Letterhead(
                self.mail_from, self.mail_from_name, self.cabinet_url, self.unsubscribe_url or self.cabinet_url
            ),
            backoff=Backoff(self.retry_base_seconds, self.retry_max_seconds),
            connections=self.smtp_connections,
            claim_batch=self.smtp_claim_batch,
            max_attempts=self.smtp_max_attempts,
            claim_timeout=timedelta(seconds=self.claim_timeout_seconds),
        )
