"""The consent service's office over a real database: its API with two clients, its loops, and what it told."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx

from chassis.clock import FixedClock
from chassis.database import DISTRICT
from contracts.base import GroupId, PersonId, SchoolId
from contracts.consent_changed import ConsentChanged
from contracts.invitation_issued import InvitationIssued
from contracts.person_changed import Enrolment, PersonChanged, PersonName, Representation, Role
from contracts.school_changed import SchoolChanged
from services.consent import roster_queries
from services.consent.model import Policy
from tests.integration.test_consent_registry import NOW, Registry

COURT = {"reason": "court", "document": "решение суда", "document_number": "2-17/2026"}
ACT = {"kind": "guardian", "document": "акт об опеке", "document_number": "12"}


@dataclass
class Office:
    """The API with the district's client and one school's, and the registry behind it."""

    registry: Registry
    http: httpx.AsyncClient
    home: SchoolId
    district_token: str
    school_token: str
    clock: FixedClock
    policy: Policy

    async def post(self, path: str, body: Any, *, token: str | None = None) -> httpx.Response:
        """As the school's client unless another one is named."""
        return await self.http.post(path, json=body, headers=self._headers(token))

    async def get(self, path: str, *, token: str | None = None, **query: Any) -> httpx.Response:
        """The same for reading."""
        return await self.http.get(path, params=query, headers=self._headers(token))

    def _headers(self, token: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.school_token}"}

    async def told(self) -> list[ConsentChanged]:
        """Every consent that was told, in order."""
        return await self.registry.events()

    async def invitations(self) -> list[InvitationIssued]:
        """Every invitation that was told, in order."""
        query = "SELECT payload FROM outbox WHERE type = $1 ORDER BY id"
        rows = await self.registry.rows(query, InvitationIssued.TOPIC)
        return [InvitationIssued.from_json(row["payload"]) for row in rows]

    async def knows_school(self, name: str = "Школа № 1", address: str = "Примерный район, ул. Школьная, 1") -> None:
        """The journal tells of the school."""
        event = SchoolChanged(revision=1, school_id=self.home, name=name, address=address, changed_at=NOW)
        async with self.registry.database.transaction(DISTRICT) as conn:
            await roster_queries.take_schools(conn, [event])

    async def pairs(self, **query: Any) -> list[dict[str, Any]]:
        """A list of the own school."""
        answer = await self.get(f"/v1/schools/{self.home}/pairs", **query)
        assert answer.status_code == 200, answer.text
        pairs: list[dict[str, Any]] = answer.json()["pairs"]
        return pairs


def a_pupil(
    *representatives: PersonId,
    school_id: SchoolId,
    name: tuple[str, str, str] = ("Примерова", "Анна", "Образцовна"),
    born: date | None = date(2016, 5, 5),
    class_id: UUID | None = None,
    class_name: str = "3А",
    revision: int = 1,
    student_id: UUID | None = None,
    in_force: bool = True,
) -> PersonChanged:
    """What the journal tells about a student."""
    return PersonChanged(
        revision=revision,
        person_id=PersonId(student_id or uuid4()),
        roles=[Role.STUDENT],
        school_ids=[school_id],
        name=PersonName(family=name[0], given=name[1], patronymic=name[2]),
        birth_date=born,
        enrolment=Enrolment(
            school_id=school_id,
            class_id=GroupId(class_id or uuid4()),
            class_name=class_name,
            grade_level=3,
            representatives=[
                Representation(representative_id=one, kind="parent", in_force=in_force) for one in representatives
            ],
        ),
        changed_at=NOW,
    )


def a_parent(person_id: PersonId, family: str = "Образцова", given: str = "Мария", **changes: Any) -> PersonChanged:
    """What the journal tells about a representative."""
    values = {
        "revision": 1,
        "person_id": person_id,
        "roles": [Role.REPRESENTATIVE],
        "school_ids": [],
        "name": PersonName(family=family, given=given, patronymic="Петровна"),
        "changed_at": NOW,
    }
    return PersonChanged.model_validate({**values, **changes})


def pair_of(parent: UUID, student: UUID, **more: Any) -> dict[str, Any]:
    """The two ids of a body, and what else stands in it."""
    return {"representative_id": str(parent), "student_id": str(student), **more}
