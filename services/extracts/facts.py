"""The events that this service owns, made from its own facts; a replay makes the same ones again."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from contracts.base import ExtractId, PersonId, RequestId, ResultId, SchoolId, StudentId
from contracts.extract_handed_over import ExtractHandedOver
from contracts.extract_printed import ExtractPrinted
from contracts.values import ResultVersion

Way = Literal["in_person", "by_post"]
Items = Iterable[tuple[UUID, int]]
"""Result and the version of its value that the sheet carries."""


class Identified(Protocol):
    """Whose extract it is."""

    @property
    def extract_id(self) -> UUID:
        """The extract."""
        ...

    @property
    def request_id(self) -> UUID:
        """What asked for it."""
        ...

    @property
    def school_id(self) -> UUID:
        """Where it is printed."""
        ...

    @property
    def student_id(self) -> UUID:
        """About whom it is."""
        ...

    @property
    def recipient_id(self) -> UUID:
        """For whom it is."""
        ...


def printed_event(
    of: Identified, *, number: str, revision: int, items: Items, content_sha256: str, at: datetime
) -> ExtractPrinted:
    """The sheet is on paper and in the register. The revision counts printings: 2 after a jam."""
    return ExtractPrinted(
        revision=revision,
        extract_id=ExtractId(of.extract_id),
        request_id=RequestId(of.request_id),
        school_id=SchoolId(of.school_id),
        student_id=StudentId(of.student_id),
        recipient_id=PersonId(of.recipient_id),
        number=number,
        items=_versions(items),
        content_sha256=content_sha256,
        printed_at=at,
    )


def handed_over_event(of: Identified, *, items: Items, way: Way, at: datetime) -> ExtractHandedOver:
    """The sheet left the school, once and for all."""
    return ExtractHandedOver(
        revision=1,
        extract_id=ExtractId(of.extract_id),
        request_id=RequestId(of.request_id),
        school_id=SchoolId(of.school_id),
        student_id=StudentId(of.student_id),
        recipient_id=PersonId(of.recipient_id),
        items=_versions(items),
        way=way,
        handed_over_at=at,
    )


def _versions(items: Items) -> list[ResultVersion]:
    return [ResultVersion(result_id=ResultId(result), value_revision=revision) for result, revision in items]
