"""The HTTP API about mails: the hook for bounces, and how a recipient stands with mails."""

import base64
import binascii
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.auth import Client, client_auth
from chassis.database import DISTRICT
from chassis.problems import Fault, Problem
from services.publisher import metrics
from services.publisher.mail.bounces import MAX_BYTES, Bounce, NoBounce, address_digest, severity_of
from services.publisher.mail.bouncing import Taken, take_bounce
from services.publisher.mail.intake import Intake
from services.publisher.queries import mail

MESSAGE_TYPE = "message/rfc822"


class BounceReport(BaseModel):
    """A mail that came back, as the program that received the bounce tells it: in fields, or the message as it came."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    notification_id: UUID | None = None
    """The local part of our Message-ID, or what follows `+` in the return address."""
    status: Annotated[str, Field(pattern=r"^[45]\.\d{1,3}\.\d{1,3}$")] | None = None
    """Enhanced status code (RFC 3463)."""
    recipient: Annotated[str, Field(max_length=320)] | None = None
    """The address that the mail was for; only a digest is kept."""
    message: Annotated[str, Field(max_length=MAX_BYTES * 4 // 3 + 4)] | None = None
    """The whole bounce in base64, instead of the fields."""
    envelope_to: Annotated[str, Field(max_length=320)] | None = None
    """With `message`: the address it was delivered to."""


class BounceTaken(BaseModel):
    """What became of a report. Reporting the same again changes nothing."""

    taken: Literal["unknown", "repeated", "noted", "suppressed"]
    """`unknown`: it is about no mail that was sent from here; `suppressed`: nothing is sent to the address any more."""


class MailStanding(BaseModel):
    """How a recipient stands with mails about one child."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    student_id: UUID
    has_email: bool
    """There is a consent to mails and an address."""
    suppressed_since: datetime | None
    """Since when nothing is sent to the address, because mails to it came back."""
    suppressed_reason: Literal["address", "policy", "soft"] | None
    """`address`: it does not exist; `policy`: its provider refuses us; `soft`: it could not be reached for long."""
    unsubscribed_at: datetime | None
    """When the recipient ended the mails."""


class Channels(BaseModel):
    """How a recipient stands with mails, child by child."""

    person_id: UUID
    email: list[MailStanding]


def make_mail_router(intake: Intake) -> APIRouter:
    """The API over what takes bounces."""
    router = APIRouter(prefix="/v1")
    auth = Depends(client_auth(intake.database))
    router.include_router(_bounces(intake, auth))
    router.include_router(_people(intake, auth))
    return router


def _bounces(intake: Intake, auth: Any) -> APIRouter:
    router = APIRouter(tags=["bounces"])

    @router.post(
        "/bounces",
        status_code=202,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": BounceReport.model_json_schema()},
                    MESSAGE_TYPE: {"schema": {"type": "string", "format": "binary"}},
                },
            }
        },
    )
    async def bounced(request: Request, client: Annotated[Client, auth]) -> BounceTaken:
        """Takes a mail that came back. The client is the district's."""
        client.require_district()
        body = await request.body()
        if len(body) > 2 * MAX_BYTES:
            raise Problem(413, "body_too_long", "A bounce is shorter.")
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind == MESSAGE_TYPE:
            return await _take_message(intake, body, None)
        report = _report(body)
        if report.message is not None:
            return await _take_message(intake, _decoded(report.message), report.envelope_to)
        return await _take_fields(intake, report)

    return router


def _report(body: bytes) -> BounceReport:
    try:
        return BounceReport.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors()
        raise Problem(
            422,
            "invalid_request",
            "The request does not fit the contract.",
            errors=[Fault("/" + "/".join(map(str, one["loc"])), str(one["type"]), str(one["msg"])) for one in faults],
        ) from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(
            422, "invalid_request", "The message is no base64.", errors=[Fault("/message", "base64", "not base64")]
        ) from error


async def _take_message(intake: Intake, raw: bytes, envelope_to: str | None) -> BounceTaken:
    try:
        taken = await intake.take(raw, "http", envelope_to)
    except NoBounce as none:
        metrics.BOUNCES.labels("other").inc()
        if str(none) in ("not_ours", "not_failed"):
            return BounceTaken(taken="unknown")
        raise Problem(422, "no_bounce", "The message is no report of a mail that came back.", str(none)) from none
    return BounceTaken(taken=taken.value)


async def _take_fields(intake: Intake, report: BounceReport) -> BounceTaken:
    missing = [name for name in ("notification_id", "status") if getattr(report, name) is None]
    if report.notification_id is None or report.status is None:
        raise Problem(
            422,
            "invalid_request",
            "Either the message, or the notification and the status are needed.",
            errors=[Fault(f"/{name}", "missing", "is needed when there is no message") for name in missing],
        )
    bounce = Bounce(
        report.notification_id,
        severity_of(report.status),
        report.status,
        address_digest(report.recipient) if report.recipient else None,
        sha256(f"{report.notification_id}:{report.status}".encode()).digest(),
    )
    taken: Taken = await take_bounce(intake.database, intake.clock, bounce, intake.patience, "http")
    return BounceTaken(taken=taken.value)


def _people(intake: Intake, auth: Any) -> APIRouter:
    router = APIRouter(prefix="/people/{person_id}", tags=["people"])

    @router.get("/channels")
    async def channels(person_id: UUID, client: Annotated[Client, auth]) -> Channels:
        """How a recipient stands with mails; asked by the cabinet on their behalf."""
        client.require_district()
        async with intake.database.transaction(DISTRICT) as conn:
            rows = await mail.channels(conn, person_id)
        return Channels(
            person_id=person_id,
            email=[
                MailStanding(
                    student_id=one.student_id,
                    has_email=one.has_email,
                    suppressed_since=one.suppressed_since,
                    suppressed_reason=one.suppressed_reason,
                    unsubscribed_at=one.unsubscribed_at,
                )
                for one in rows
            ],
        )

    @router.delete("/children/{student_id}/unsubscription", status_code=204)
    async def resubscribe(person_id: UUID, student_id: UUID, client: Annotated[Client, auth]) -> None:
        """Mails about the child go to the recipient again, by their own word in the cabinet."""
        client.require_district()
        async with intake.database.transaction(DISTRICT) as conn:
            await mail.resubscribe(conn, person_id, student_id, await intake.clock.now(conn))

    return router
