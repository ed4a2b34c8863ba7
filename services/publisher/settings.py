"""The publisher's settings; each is `SUTKI_PUBLISHER_<NAME>` or `SUTKI_<NAME>` in the environment."""

from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from services.publisher.domain.escalation import Ladder, Leads
from services.publisher.domain.letters import Backoff
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import QuietHours
from services.publisher.mail.compose import Letterhead
from services.publisher.mail.providers import read_rates
from services.publisher.mail.sender import Sending
from services.publisher.mail.settings import MailSettings
from services.publisher.mail.smtp import Server
from services.publisher.push.endpoints import KNOWN_SERVICES, PushHosts
from services.publisher.push.sender import PushSending
from services.publisher.push.vapid import VapidKey, VapidTokens


class Settings(MailSettings):
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

    ledger_key_file: Path | None = None
    """The private key (Ed25519, PEM) that the ledger's daily roots are signed with. Without it there are no roots."""
    ledger_seal_delay_seconds: float = Field(default=300, ge=0)
    """How long after the district's midnight a day's root is made."""
    district_time_zone: str = "Europe/Moscow"
    """Whose midnight ends the district's day."""

    escalate_school_hours: float = Field(default=12, gt=0, lt=24)
    """Class teachers and the secretary are told of what is not met this long before the deadline."""
    escalate_head_hours: float = Field(default=4, gt=0, lt=24)
    """The head is told this long before the deadline."""
    escalate_district_hours: float = Field(default=1, gt=0, lt=24)
    """The district is told this long before the deadline, and then every day until nothing is owed any more."""
    escalation_grouping_seconds: float = Field(default=900, ge=0, le=3600)
    """A message takes along what reaches its step within this time; the school's next one of it waits for as long."""
    escalation_grace_seconds: float = Field(default=600, ge=0)
    """What has just opened is given this time to be shown or asked for before anybody is told."""
    figure_seconds: float = Field(default=60, gt=0)
    """How often the public figure is counted again where something changed."""
    closed_weekdays: Annotated[tuple[int, ...], NoDecode] = (6, 7)
    """Days on which schools are closed, from 1 (Monday) to 7, separated by commas."""
    paper_counts_closed_days: bool = False
    """Whether paper whose 24 hours touched a closed day is left out of the public per cent. It is shown in any case."""
    canary_seconds: float = Field(default=0, ge=0)
    """How often each school's synthetic result is sent through the whole path; 0: never. As in the gradebook."""
    canary_keep_days: float = Field(default=7, gt=0)
    """How long it is kept when each canary arrived."""

    notify_grouping_seconds: float = Field(default=600, ge=0)
    """Results of one child that come within this time are told in one mail."""
    quiet_from: time = time(21)
    """From this time on nobody is disturbed, in the school's time zone; families may choose other hours."""
    quiet_until: time = time(7)
    """Until this time; the same as `quiet_from`: no quiet hours."""
    quiet_break_lead_minutes: float = Field(default=30, ge=0)
    """So long before its deadline a message no longer waits for the end of quiet hours."""
    fallback_after_seconds: float = Field(default=7200, gt=0)
    """A message that is unsent so long after it should have been falls to the next channel: push, e-mail, paper."""
    message_fallback_lead_minutes: float = Field(default=60, ge=0)
    """So long before its deadline it falls earlier, but not before a quarter of `fallback_after_seconds`."""
    digest_hour: int = Field(default=19, ge=0, le=23)
    """When digests are made, in the school's time zone; families may choose another hour."""
    digest_weekday: int = Field(default=5, ge=1, le=7)
    """On which day weekly digests are made; 1 is Monday."""
    news_late_hours: float = Field(default=48, gt=0)
    """What the journal took so long before it should be told is no news: it comes with a replay."""
    news_retention_days: float = Field(default=35, gt=7)
    """How long marks, homework and other news are kept for messages."""
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
    smtp_claim_batch: int = Field(default=10, ge=1, le=100)
    """Mails that one connection claims at a time; what a crash may leave undecided grows with it."""
    smtp_max_attempts: int = Field(default=12, ge=1)
    retry_base_seconds: float = Field(default=30, gt=0)
    """The first wait after a temporary refusal; it doubles with each."""
    retry_max_seconds: float = Field(default=3600, gt=0)
    claim_timeout_seconds: float = Field(default=120, gt=0)
    """A claim older than this whose process has not been heard of for as long is undecided."""

    vapid_key_file: Path | None = None
    """The private key (P-256, PEM) by which push services know this installation. Without a key push is off."""
    vapid_key: SecretStr | None = None
    """The same key itself, where there are no files; the file wins."""
    push_contact: str | None = None
    """Where a push service may complain, `mailto:…` or `https://…`; the mails' sender when not set."""
    push_hosts: str = ",".join(KNOWN_SERVICES)
    """Push services that may be called, separated by commas: hosts, `*.domain`, either with a port other than 443."""
    push_private_hosts: str = ""
    """More of them, whose addresses need not be public: a push service of one's own."""
    push_ca_file: Path | None = None
    """Certificates to trust beside the system's, for a push service of one's own."""
    push_timeout_seconds: float = Field(default=10, gt=0)
    """For one request to a push service."""
    push_lanes: int = Field(default=2, ge=1, le=32)
    """Loops that send pushes."""
    push_claim_batch: int = Field(default=20, ge=1, le=200)
    """Pushes that one of them claims, and sends at the same time."""
    push_max_attempts: int = Field(default=8, ge=1)
    push_ttl_hours: float = Field(default=24, ge=1, le=672)
    """How long a push service keeps a message for a browser that is away, at the longest; a deadline ends it before."""
    push_retry_after_max_seconds: float = Field(default=3600, gt=0)
    """No push service may hold a message up for longer, whatever its Retry-After says."""
    push_suspension_seconds: float = Field(default=3600, gt=0)
    """For how long a push service that refuses our key is left alone."""
    push_trust_seconds: float = Field(default=600, gt=0)
    """For how long a message that a push service took proves that it is not our key that it refuses."""
    push_repeat: bool = True
    """Whether a push that may have been taken already is sent again; it replaces the first. Else it is undecided."""
    push_subscriptions_per_person: int = Field(default=10, ge=1, le=100)
    """Browsers of one person; of more, those that were confirmed last are told."""
    push_deliveries_keep_days: float = Field(default=60, gt=0)
    """How long it is kept what each browser's push service answered."""

    @field_validator("vapid_key_file")
    @classmethod
    def _a_key(cls, file: Path | None) -> Path | None:
        if file is not None:
            try:
                VapidKey.from_pem(file.read_bytes())
            except OSError as error:
                raise ValueError(f"the file cannot be read: {error.strerror}") from error
        return file

    @field_validator("vapid_key")
    @classmethod
    def _a_written_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            VapidKey.from_pem(key.get_secret_value().encode())
        return key

    @field_validator("push_hosts", "push_private_hosts")
    @classmethod
    def _hosts(cls, hosts: str) -> str:
        PushHosts.listed(hosts)
        return hosts

    @field_validator("push_contact")
    @classmethod
    def _a_contact(cls, contact: str | None) -> str | None:
        if contact is not None:
            VapidTokens(VapidKey.generate(), contact)
        return contact

    @field_validator("district_time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise ValueError("not a time zone such as Europe/Moscow") from error
        return name

    @field_validator("closed_weekdays", mode="before")
    @classmethod
    def _days(cls, value: object) -> object:
        return [int(part) for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _ladder_in_order(self) -> Self:
        self.ladder()
        if not set(self.closed_weekdays) <= set(range(1, 8)):
            raise ValueError("closed_weekdays: days are numbered from 1 (Monday) to 7")
        return self

    def ladder(self) -> Ladder:
        """Who is told when that something is not met.

        Raises:
            LadderOutOfOrder: a higher step would be taken earlier.
        """
        return Ladder(
            Leads(
                timedelta(hours=self.escalate_school_hours),
                timedelta(hours=self.escalate_head_hours),
                timedelta(hours=self.escalate_district_hours),
            ),
            grouping=timedelta(seconds=self.escalation_grouping_seconds),
            grace=timedelta(seconds=self.escalation_grace_seconds),
            overdue_grace=timedelta(seconds=self.acknowledgement_grace_seconds),
        )

    def policy(self) -> Policy:
        """The settings that the rules depend on."""
        return Policy(
            paper_grouping=timedelta(seconds=self.paper_grouping_seconds),
            paper_lead=timedelta(hours=self.paper_lead_hours),
            fallback_lead=timedelta(hours=self.fallback_lead_hours),
            notify_grouping=timedelta(seconds=self.notify_grouping_seconds),
            acknowledgement_grace=timedelta(seconds=self.acknowledgement_grace_seconds),
            consent_stale_after=timedelta(seconds=self.consent_stale_after_seconds),
            quiet=QuietHours(self.quiet_from, self.quiet_until),
            quiet_break_lead=timedelta(minutes=self.quiet_break_lead_minutes),
            fallback_after=timedelta(seconds=self.fallback_after_seconds),
            message_fallback_lead=timedelta(minutes=self.message_fallback_lead_minutes),
            digest_hour=self.digest_hour,
            digest_weekday=self.digest_weekday,
            news_late=timedelta(hours=self.news_late_hours),
            representation_ends_at_majority=self.representation_ends_at_majority,
        )

    def sending(self) -> Sending:
        """How mails are sent."""
        password = self.smtp_password.get_secret_value() if self.smtp_password else None
        return Sending(
            server=Server(
                self.smtp_host, self.smtp_port, self.smtp_tls, self.smtp_user, password, self.smtp_timeout_seconds
            ),
            letterhead=self.completed(
                Letterhead(
                    self.mail_from, self.mail_from_name, self.cabinet_url, self.unsubscribe_url or self.cabinet_url
                )
            ),
            rates=read_rates(self.mail_rates),
            patience=self.patience(),
            backoff=Backoff(self.retry_base_seconds, self.retry_max_seconds),
            connections=self.smtp_connections,
            claim_batch=self.smtp_claim_batch,
            max_attempts=self.smtp_max_attempts,
            claim_timeout=timedelta(seconds=self.claim_timeout_seconds),
        )

    def vapid(self) -> VapidKey | None:
        """The key by which push services know us; None when push is off."""
        if self.vapid_key_file is not None:
            return VapidKey.from_pem(self.vapid_key_file.read_bytes())
        return VapidKey.from_pem(self.vapid_key.get_secret_value().encode()) if self.vapid_key else None

    def push_services(self) -> PushHosts:
        """The push services that may be called."""
        return PushHosts.listed(self.push_hosts, self.push_private_hosts)

    def push_sending(self, key: VapidKey | None) -> PushSending:
        """How pushes are sent."""
        return PushSending(
            hosts=self.push_services(),
            tokens=VapidTokens(key, self.push_contact or f"mailto:{self.mail_from}") if key else None,
            backoff=Backoff(self.retry_base_seconds, self.retry_max_seconds),
            lanes=self.push_lanes,
            claim_batch=self.push_claim_batch,
            max_attempts=self.push_max_attempts,
            claim_timeout=timedelta(seconds=self.claim_timeout_seconds),
            ttl=timedelta(hours=self.push_ttl_hours),
            retry_after_max_seconds=self.push_retry_after_max_seconds,
            suspension=timedelta(seconds=self.push_suspension_seconds),
            trust=timedelta(seconds=self.push_trust_seconds),
            repeat=self.push_repeat,
            deliveries_keep=timedelta(days=self.push_deliveries_keep_days),
        )
