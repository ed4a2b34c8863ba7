"""The papers of consent: the form to be signed, and the receipt with the invitation. What they say and their making."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import segno

from chassis.clock import Clock
from chassis.database import Connection
from chassis.paper import Press, printable
from contracts.base import PersonId, StudentId
from services.consent import form_queries, model, queries, wording
from services.consent.document import ConsentDocument
from services.consent.faults import Refused, fault
from services.consent.form_queries import PaperFacts
from services.consent.invitations import Invitation
from services.consent.model import Pair, Policy, Purpose

_TEMPLATES = Path(__file__).parent / "templates"
_FORM = Press(_TEMPLATES / "form.typ", _TEMPLATES)
_RECEIPT = Press(_TEMPLATES / "receipt.typ", _TEMPLATES)

Sheet = Mapping[str, Any]
"""What a template takes: texts and truths."""


async def facts_of(
    conn: Connection, representative_id: PersonId, student_id: StudentId, *, clock: Clock, policy: Policy
) -> tuple[PaperFacts, Pair, datetime]:
    """What a paper for this pair says, and the instant of its making.

    Raises:
        Refused: it is no pair that could decide now.
    """
    now = await clock.now(conn)
    key = (UUID(int=representative_id.int), UUID(int=student_id.int))
    pair = (await queries.pairs(conn, [key], [""], now)).get(key)
    facts = await form_queries.facts(conn, representative_id, student_id)
    if pair is None or facts is None:
        raise Refused(fault("unknown_representation"))
    age = model.age_on(pair.birth_date, model.local_day(now, policy)) if pair.birth_date else None
    adult = age is not None and age >= policy.adult_from_years
    if representative_id == student_id and not adult:
        raise Refused(fault("student_not_adult"))
    if representative_id != student_id and adult:
        raise Refused(fault("student_is_adult"))
    if representative_id != student_id and not pair.in_force:
        raise Refused(fault("unknown_representation"))
    return facts, pair, now


def contents(facts: PaperFacts) -> ConsentDocument:
    """What the form says, as the document that is registered with a decision: the signer's part is still blank."""
    own = facts.kind == "student"
    return ConsentDocument(
        consenter_name=facts.consenter_name,
        on_behalf_of="" if own else facts.student_name,
        authority_document="" if own else _authority(facts),
        operator_name=facts.school_name,
        operator_address=facts.school_address,
        purposes=wording.purposes_in_words(),
        data_list=wording.DATA,
        actions_list=wording.ACTIONS,
        term=wording.TERM,
        withdrawal_procedure=wording.WITHDRAWAL,
    )


def form_sheet(facts: PaperFacts, now: datetime, policy: Policy) -> Sheet:
    """Everything that the form says. A text that nobody knows is empty: there the form has a line to write on."""
    today = model.local_day(now, policy)
    own = facts.kind == "student"
    return {
        "school": {"name": printable(facts.school_name), "address": printable(facts.school_address)},
        "consenter": printable(facts.consenter_name),
        "kind": wording.KINDS[facts.kind],
        "own": own,
        "student": printable(facts.student_name),
        "class": printable(facts.class_name),
        "authority": printable(_authority(facts)),
        "email": printable(facts.email_address),
        "purposes": [{"name": name, "what": what} for name, what in wording.PURPOSES.values()],
        "either": wording.EITHER,
        "data": wording.DATA,
        "actions": wording.ACTIONS,
        "term": wording.TERM,
        "withdrawal": wording.WITHDRAWAL,
        "agreement": not own and _is_asked_too(facts.birth_date, today, policy),
        "printed_on": wording.short_date(today),
    }


def receipt_sheet(
    facts: PaperFacts, invitation: Invitation | None, cabinet_url: str, now: datetime, policy: Policy
) -> Sheet:
    """Everything that the receipt says.

    Args:
        facts: what was decided, by whom and for whom.
        invitation: only where the cabinet was consented to.
        cabinet_url: the address of the cabinet, without a slash at the end.
        now: the instant of its making.
        policy: tells the day of an instant.
    """
    zone = ZoneInfo(policy.time_zone)
    answers = {Purpose.CABINET: facts.cabinet, Purpose.EMAIL: facts.email, Purpose.PUSH: facts.push}
    join = f"{cabinet_url}/join"
    return {
        "school": {"name": printable(facts.school_name), "address": printable(facts.school_address)},
        "consenter": printable(facts.consenter_name),
        "own": facts.kind == "student",
        "student": printable(facts.student_name),
        "class": printable(facts.class_name),
        "number": printable(facts.number),
        "decided_on": wording.long_date(facts.decided_at.astimezone(zone).date()) if facts.decided_at else "",
        "effective": f"{facts.effective_from.astimezone(zone):%d.%m.%Y %H:%M}" if facts.effective_from else "",
        "date": wording.long_date(now.astimezone(zone).date()),
        "no_internet": facts.no_internet,
        "given": facts.cabinet == "given",
        "decisions": [
            {"name": wording.PURPOSES[purpose][0], "answer": wording.DECISIONS[answer]}
            for purpose, answer in answers.items()
        ],
        "code": invitation.code if invitation else "",
        "until": wording.long_date(invitation.expires_at.astimezone(zone).date()) if invitation else "",
        "address": join if invitation else "",
        # The code is not in it: a phone keeps every address that it read.
        "qr": _modules(join) if invitation else [],
    }


async def form(sheet: Sheet, now: datetime) -> bytes:
    """The form as a PDF of one page."""
    return await asyncio.to_thread(_pdf, _FORM, sheet, now)


async def receipt(sheet: Sheet, now: datetime) -> bytes:
    """The receipt as a PDF of one page."""
    return await asyncio.to_thread(_pdf, _RECEIPT, sheet, now)


def _pdf(press: Press, sheet: Sheet, now: datetime) -> bytes:
    return press.pdf({"sheet": orjson.dumps(sheet).decode()}, issued_at=now)


def _authority(facts: PaperFacts) -> str:
    return wording.authority_document(facts.document, facts.document_number, facts.issued_on)


def _is_asked_too(born: date | None, today: date, policy: Policy) -> bool:
    if born is None:
        return True  # The line can be left blank; a form without it cannot be filled in.
    return policy.agreement_required and model.age_on(born, today) >= policy.agreement_from_years


def _modules(text: str) -> list[str]:
    """The QR code's rows of dark (1) and light (0) squares, without its quiet border."""
    code = segno.make(text, error="m", micro=False)
    return ["".join("1" if module & 1 else "0" for module in row) for row in code.matrix]
