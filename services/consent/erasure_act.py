"""The act of destruction and the extract of the event log: made when every service has confirmed, outside of handlers.

The act has what order 179 of Roskomnadzor (28.10.2022) asks for. It names the person by the opaque id alone: a name in
it would keep for three years what the act says is destroyed.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import orjson

from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database
from chassis.paper import Press, printable
from services.consent import erasure_queries as queries
from services.consent import erasure_wording as wording
from services.consent.erasure_metrics import ACTS
from services.consent.erasure_queries import Act, Erasure

_FOLDER = Path(__file__).parent / "templates"
_PRESS = Press(_FOLDER / "destruction_act.typ", _FOLDER)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who answers for the data."""

    name: str
    address: str
    time_zone: str
    """IANA name: in which zone the act tells the time."""


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that an act tells."""

    number: int
    made_at: datetime
    keep_until: datetime
    erasure: Erasure
    operator: Operator
    confirmations: Sequence[Mapping[str, Any]]
    """`service`, `erased`, `kept`, `erased_at` of each."""
    log: Sequence[Mapping[str, Any]]
    """`at`, `happened`, `details` of each line."""


class ActMaker:
    """Makes the acts that are missing."""

    def __init__(self, database: Database, clock: Clock, operator: Operator, keep: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._operator = operator
        self._keep = keep

    async def make_one(self) -> int:
        """Makes one act; 1 if one was missing. The row is held meanwhile, so that each is made once."""
        async with self._database.transaction(DISTRICT) as conn:
            now = await self._clock.now(conn)
            erasure = await queries.lock_without_act(conn, now - self._keep)
            if erasure is None:
                return 0
            story = await self._story(conn, erasure, now)
            log_extract = extract(story)
            pdf = await asyncio.to_thread(render, story, log_extract)
            await queries.keep_act(
                conn,
                erasure.erasure_id,
                Act(
                    story.number,
                    now,
                    story.keep_until,
                    pdf,
                    sha256(pdf).digest(),
                    log_extract,
                    sha256(log_extract).digest(),
                ),
            )
        ACTS.inc()
        return 1

    async def _story(self, conn: Connection, erasure: Erasure, now: datetime) -> Story:
        school = await queries.operator_of(conn, erasure.school_id)
        operator = Operator(school[0], school[1], self._operator.time_zone) if school else self._operator
        return Story(
            number=await queries.next_act_number(conn),
            made_at=now,
            keep_until=now + self._keep,
            erasure=erasure,
            operator=operator,
            confirmations=_plain(await queries.confirmations(conn, erasure.erasure_id)),
            log=_plain(await queries.log_of(conn, erasure.erasure_id)),
        )


def extract(story: Story) -> bytes:
    """The extract of the event log as JSON lines: what it is about, every event, and what each service confirmed."""
    erasure = story.erasure
    head = {
        "line": "subject",
        "erasure_id": erasure.erasure_id,
        "person_id": erasure.person_id,
        "student_id": erasure.student_id,
        "reason": erasure.ground,
        "scope": erasure.scope,
        "parts": erasure.parts,
        "act_number": story.number,
        "made_at": story.made_at,
    }
    events = [{"line": "event", **entry} for entry in story.log]
    confirmed = [
        {"line": "confirmation", "system": wording.word(wording.SYSTEMS, said["service"]), **said}
        for said in story.confirmations
    ]
    # The driver's ids are a kind of UUID that the encoder does not know.
    return b"".join(
        orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE) for line in (head, *events, *confirmed)
    )


def render(story: Story, log_extract: bytes) -> bytes:
    """The act as PDF, with the extract as its annex.

    Args:
        story: what happened.
        log_extract: the JSON lines whose digest the act bears.
    """
    return _PRESS.pdf({"act": orjson.dumps(_sheet(story, log_extract)).decode()}, issued_at=story.made_at)


def _sheet(story: Story, log_extract: bytes) -> dict[str, Any]:
    erasure, zone = story.erasure, ZoneInfo(story.operator.time_zone)
    whole = erasure.scope == "person"
    return {
        "number": str(story.number),
        "date": wording.long_date(story.made_at, zone),
        "operator": {
            "name": printable(story.operator.name) or "—",
            "address": printable(story.operator.address) or "—",
        },
        "subject": "физическое лицо, сведения о котором велись в электронном журнале"
        if whole
        else "законный представитель обучающегося (с 18 лет — сам обучающийся)",
        "person_id": str(erasure.person_id),
        "student_id": str(erasure.student_id or ""),
        "erasure_id": str(erasure.erasure_id),
        "reason": wording.word(wording.GROUNDS, erasure.ground),
        "term": wording.term(erasure.ground),
        "due": wording.instant(erasure.due_at, zone),
        "requested": wording.instant(erasure.requested_at, zone),
        "erased": wording.instant(erasure.erased_at, zone),
        "ordered_by": "программа, по наступлении срока"
        if erasure.ordered_by is None
        else f"по требованию; учётная запись {erasure.ordered_by}",
        "way": wording.WAY,
        "carriers": wording.CARRIERS,
        "erased_rows": list(_rows(story, "erased", zone)),
        "kept_rows": list(_rows(story, "kept", zone)),
        "keep_until": wording.long_date(story.keep_until, zone),
        "log_sha256": sha256(log_extract).hexdigest(),
        "log_rows": [
            {
                "at": wording.instant(entry["at"], zone),
                "happened": wording.word(wording.HAPPENED, entry["happened"]),
                "details": wording.details(entry["happened"], entry["details"]),
            }
            for entry in story.log
        ],
    }


def _rows(story: Story, what: str, zone: ZoneInfo) -> Iterable[dict[str, str]]:
    for said in story.confirmations:
        for item in said[what]:
            yield {
                "category": wording.word(wording.CATEGORIES, item["category"]),
                "system": wording.word(wording.SYSTEMS, said["service"]),
                "count": str(item["count"]),
                "at": wording.instant(said["erased_at"], zone),
                "ground": wording.word(wording.KEPT_GROUNDS, item.get("ground", "")),
            }


def _plain(rows: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
