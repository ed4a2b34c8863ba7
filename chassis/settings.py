"""Settings from the environment, checked at start: a wrong one is named and the process does not run."""

import sys
from typing import ClassVar, NoReturn, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

EXIT_CONFIG = 78
"""`EX_CONFIG` of sysexits.h."""

PREFIX = "SUTKI_"


class ServiceSettings(BaseSettings):
    """What each service needs. `SUTKI_<SERVICE>_<FIELD>` wins over `SUTKI_<FIELD>`."""

    SERVICE: ClassVar[str]

    model_config = SettingsConfigDict(extra="ignore", use_attribute_docstrings=True, frozen=True)

    database_url: str
    """PostgreSQL URL of the service's own database, as its application role."""
    owner_database_url: str | None = None
    """The same database as its owner; used by `migrate` only."""
    database_pool_size: int = Field(default=8, ge=2, le=100)
    kafka_bootstrap: str
    """`host:port`, several separated by commas."""
    kafka_topic_prefix: str = ""
    """Put before every topic's and consumer group's name, so that several installations share a cluster."""
    kafka_idempotence: bool = True
    """Off only with the embedded broker, which cannot do it."""
    kafka_partitions: int = Field(default=6, ge=1)
    """Partitions of a topic when it is created; never changed afterwards, since the order per key depends on it."""
    kafka_replication_factor: int = Field(default=1, ge=1)
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=1, le=65535)
    http_max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """A longer request is refused before it is read."""
    internal_host: str = "127.0.0.1"
    internal_port: int | None = Field(default=None, ge=1, le=65535)
    """Where `/health` and `/metrics` are when it is set, and then nowhere else: a port that nobody outside reaches."""
    log_level: str = "INFO"
    stop_grace_seconds: float = Field(default=20, gt=0)
    """How long a stopping process may finish what it has begun."""
    progress_deadline_seconds: float = Field(default=120, gt=0)
    """A consumer with lag that takes nothing for this long is not alive."""
    consumer_silent_seconds: float = Field(default=30, ge=2)
    """A consumer that the broker has not answered twice this long, while it answers others, is made anew."""
    outbox_keep_hours: float = Field(default=24, ge=0)
    """Published outbox rows are deleted after this."""
    inbox_keep_days: float = Field(default=45, ge=31)
    """Inbox rows outlive the topics' retention (30 days), then go."""
    access_log_keep_days: float = Field(default=1096, ge=1)
    """How long it is kept who looked at whose data."""
    dead_letters_keep_days: float = Field(default=90, ge=1)
    """Dead letters that were applied after all or given up are deleted after this; those that wait never are."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by the two prefixed sources
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Reads the service's own variables first, then the common ones."""
        own = EnvSettingsSource(settings_cls, env_prefix=f"{PREFIX}{cls.SERVICE.upper()}_")
        common = EnvSettingsSource(settings_cls, env_prefix=PREFIX)
        return init_settings, own, common, file_secret_settings


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S]) -> S:
    """Reads the settings, or ends the process with the name of each wrong one.

    Raises:
        SystemExit: with code 78 when a setting is missing or wrong.
    """
    try:
        return settings()
    except ValidationError as error:
        _complain(settings.SERVICE, error)


def _complain(service: str, error: ValidationError) -> NoReturn:
    for fault in error.errors():
        field = "_".join(str(part) for part in fault["loc"]).upper()
        names = f"{PREFIX}{service.upper()}_{field} (or {PREFIX}{field})"
        sys.stderr.write(f"{service}: setting {names}: {fault['msg']}\n")
    sys.stderr.write("Set the variables named above and start again.\n")
    raise SystemExit(EXIT_CONFIG)
