"""A service erased personal data, as it was asked to; says what went, and what stays on which ground.

Each service has an event type of its own, and all travel on one topic: the registry of consents collects them there.
"""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import ErasureId, Fact, Instant, Model, PersonId, ReasonCode, example_id

Category = ReasonCode
"""A kind of data, as a code that each reader words."""


class Erased(Model):
    """How much of one kind of data was erased."""

    category: Category
    count: int = Field(ge=0)
    """Records; 0 where there was nothing."""


class Kept(Model):
    """What stays, and why it must or may."""

    category: Category
    count: int = Field(ge=0)
    ground: ReasonCode
    """Such as `statutory_journal`, `proof_of_disclosure`, `consent_in_force`."""


class DataErased(Fact):
    """What a service did about an erasure. It is done once: there is one revision."""

    CARRIER: ClassVar[str] = "consent.data-erased.v1"
    """The topic on which all of them travel."""

    erasure_id: ErasureId
    person_id: PersonId
    erased: list[Erased]
    kept: list[Kept]
    erased_at: Instant

    @classmethod
    def service(cls) -> str:
        """Which service says so."""
        return cls.TOPIC.split(".", 1)[0]

    def aggregate(self) -> UUID:
        """The erasure."""
        return self.erasure_id

    def key(self) -> UUID:
        """The erasure: its confirmations are in order."""
        return self.erasure_id

    def occurred_at(self) -> AwareDatetime:
        """When it was done."""
        return self.erased_at


class ConsentDataErased(DataErased):
    """The registry's own confirmation."""

    TOPIC: ClassVar[str] = "consent.data-erased.v1"


class GradebookDataErased(DataErased):
    """The journal's confirmation."""

    TOPIC: ClassVar[str] = "gradebook.data-erased.v1"


class PublisherDataErased(DataErased):
    """The publisher's confirmation."""

    TOPIC: ClassVar[str] = "publisher.data-erased.v1"


class CabinetDataErased(DataErased):
    """The cabinet's confirmation."""

    TOPIC: ClassVar[str] = "cabinet.data-erased.v1"


class ExtractsDataErased(DataErased):
    """The print desk's confirmation."""

    TOPIC: ClassVar[str] = "extracts.data-erased.v1"


CONFIRMATIONS: tuple[type[DataErased], ...] = (
    ConsentDataErased,
    GradebookDataErased,
    PublisherDataErased,
    CabinetDataErased,
    ExtractsDataErased,
)

EXAMPLES: tuple[DataErased, ...] = tuple(
    confirmation(
        revision=1,
        erasure_id=ErasureId(example_id("erasure")),
        person_id=PersonId(example_id("representative")),
        erased=[Erased(category="contact_data", count=1)],
        kept=[Kept(category="results", count=2, ground="proof_of_disclosure")],
        erased_at=datetime(2026, 10, 2, 8, 0, 1, tzinfo=UTC),
    )
    for confirmation in CONFIRMATIONS
)
