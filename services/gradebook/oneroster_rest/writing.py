"""Writing results and columns: a client's statement becomes a record of the journal, taken like any import's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import Connection, Database
from services.gradebook import metrics, queries, rejections
from services.gradebook import oneroster_model as model
from services.gradebook.closing.fulfilling import resolve
from services.gradebook.domain import Identity
from services.gradebook.exchange.oneroster_index import grade_text, instant_text
from services.gradebook.oneroster_rest import book_queries, result_names, writing_queries
from services.gradebook.oneroster_rest.bodies import SentResult
from services.gradebook.oneroster_rest.collections import LINE_ITEMS, RESULTS
from services.gradebook.oneroster_rest.reading import Reader
from services.gradebook.oneroster_rest.shapes import Row
from services.gradebook.oneroster_rest.statuses import Minor, StatusInfo, invalid_data
from services.gradebook.oneroster_rest.tokens import GRADEBOOK_DELETE, Caller
from services.gradebook.policy_queries import policy_on
from services.gradebook.records import ExamResultRecord, FinalGradeRecord, MarkRecord, Record, RecordKind
from services.gradebook.records.base import from_text
from services.gradebook.rejections import Code, Fault
from services.gradebook.taking import Outcome, Placed, Taking, take

_FORBIDDEN = frozenset({Code.FOREIGN_ID, Code.FOREIGN_SCHOOL})
_IDENTITY = {
    RecordKind.MARKS: "mark",
    RecordKind.FINAL_GRADES: "final_grade",
    RecordKind.EXAM_RESULTS: "exam_result",
}
_KIND = {kind: record for record, kind in _IDENTITY.items()}
_MODEL: dict[RecordKind, type[Record]] = {
    RecordKind.MARKS: MarkRecord,
    RecordKind.FINAL_GRADES: FinalGradeRecord,
    RecordKind.EXAM_RESULTS: ExamResultRecord,
}


@dataclass(frozen=True)
class Desk:
    """One client at work in one transaction."""

    conn: Connection
    caller: Caller
    identity: Identity
    now: datetime

    @classmethod
    async def open(cls, conn: Connection, clock: Clock, caller: Caller) -> "Desk":
        """Looks up what the work needs."""
        identity = Identity(await queries.identity_key(conn), caller.source)
        return cls(conn, caller, identity, await clock.now(conn))

    @property
    def reader(self) -> Reader:
        """Reads what the client may see."""
        return Reader(self.conn, self.identity, self.caller.source, self.caller.school_id)

    @property
    def changed_by(self) -> str:
        """For the history."""
        return f"client:{self.caller.client_id}"

    def taking(self, school_id: UUID) -> Taking:
        """For whom records are taken."""
        return Taking(self.identity, self.caller.source, school_id, self.caller.school_id, self.now, self.changed_by)


async def put_result(database: Database, clock: Clock, caller: Caller, sourced_id: str, sent: SentResult) -> bool:
    """Records, corrects or withdraws a result. True: it is new.

    Raises:
        StatusInfo: 404, there is no such line item; 403, the token may not withdraw; 403 or 422, the journal refuses
            the result.
    """
    _demand_right(caller, [sent])
    if sent.line_item is None:
        raise invalid_data("lineItem: обязательное поле пусто / a required field is empty")
    async with database.transaction(caller.scope()) as conn:
        desk = await Desk.open(conn, clock, caller)
        item = await desk.reader.one(LINE_ITEMS, sent.line_item.sourced_id)
        kind, outcome = await _write(desk, item, [(sourced_id, sent)])
    crash_here("gradebook.after_commit")
    metrics.count_outcome(kind, outcome)
    return bool(outcome.added)


async def post_results(
    database: Database, clock: Clock, caller: Caller, line_item_id: str, sent: Sequence[SentResult]
) -> list[str]:
    """Records results in a line item, all or none; returns the ids that they have now.

    Raises:
        StatusInfo: 404, there is no such line item; 403, the token may not withdraw; 403 or 422, the journal refuses
            one of the results.
    """
    _demand_right(caller, sent)
    ids = [result.sourced_id or str(uuid4()) for result in sent]
    async with database.transaction(caller.scope()) as conn:
        desk = await Desk.open(conn, clock, caller)
        item = await desk.reader.one(LINE_ITEMS, line_item_id)
        for result in sent:
            if result.line_item is not None and result.line_item.sourced_id != line_item_id:
                raise invalid_data("lineItem: не та колонка, что в адресе / another line item than in the address")
        kind, outcome = await _write(desk, item, list(zip(ids, sent, strict=True)))
    crash_here("gradebook.after_commit")
    metrics.count_outcome(kind, outcome)
    return ids


async def withdraw_result(database: Database, clock: Clock, caller: Caller, sourced_id: str) -> None:
    """Takes a result back; it stays in the history.

    Raises:
        StatusInfo: 404, there is none that the client may see; 422, the journal refuses.
    """
    async with database.transaction(caller.scope()) as conn:
        desk = await Desk.open(conn, clock, caller)
        row = await desk.reader.one(RESULTS, sourced_id)
        kind = _KIND[row["kind"]]
        own_id = result_names.parse(row["sourced_id"]).own_id
        fields = await _as_recorded(desk, row, kind, own_id)
        outcome = await _take(desk, row["school_id"], kind, [_record(kind, fields | {"state": "withdrawn"})])
    crash_here("gradebook.after_commit")
    metrics.count_outcome(kind, outcome)


async def _as_recorded(desk: Desk, row: Row, kind: RecordKind, own_id: str) -> dict[str, Any]:
    """The record that says what is recorded."""
    if kind is RecordKind.MARKS:
        mark = (await writing_queries.marks_as_sent(desk.conn, [row["key"]]))[row["key"]]
        return _text({"mark_id": own_id, **{name: value for name, value in mark.items() if name != "mark_id"}})
    fields = {
        "result_id": own_id,
        "student_id": row["student"],
        "subject_id": row["subject"],
        "obtained_at": row["obtained_at"].isoformat(),
    }
    if kind is RecordKind.FINAL_GRADES:
        return fields | {"period_id": row["period"]}
    return fields | {"kind": row["category"], "title": row["item_title"], "max_score": _plain(row["max_score"])}


async def _write(desk: Desk, item: Row, sent: Sequence[tuple[str, SentResult]]) -> tuple[RecordKind, Outcome]:
    if item["status"] != "active" and any(result.status == "active" for _, result in sent):
        raise invalid_data("lineItem: колонка удалена / the line item is deleted")
    kind = _kind_of(item["category"])
    own = await _own_ids(desk, kind, sent)
    keys = await _meant(desk, kind, own)
    fields = await _fields(desk, item, kind, own, keys)
    outcome = await _take(desk, item["school_id"], kind, [_record(kind, each) for each in fields])
    # What was taken may have become the result of which a deferral had told.
    keys = await _meant(desk, kind, own)
    if model.parse_item_id(item["sourced_id"]) is None:
        await writing_queries.place(desk.conn, keys, UUID(item["key"]), item["school_id"])
    else:
        await writing_queries.take_out(desk.conn, keys)
    return kind, outcome


def _demand_right(caller: Caller, sent: Sequence[SentResult]) -> None:
    """Whoever may only write does not withdraw, however it is said."""
    if any(result.status != "active" for result in sent):
        caller.require(GRADEBOOK_DELETE)


async def _own_ids(
    desk: Desk, kind: RecordKind, sent: Sequence[tuple[str, SentResult]]
) -> list[tuple[str, SentResult]]:
    """The journal's ids of results that clients name as they read them.

    Raises:
        StatusInfo: 422, a name says another kind than the line item's, or with its kind one that is not there: the
            result would be told under another name than it was sent.
    """
    own: list[tuple[str, SentResult]] = []
    named: list[str] = []
    for sourced_id, result in sent:
        name = result_names.parse(sourced_id)
        if name.kind not in (None, _IDENTITY[kind]):
            raise invalid_data("sourcedId: результат другого вида, чем колонка / of another kind than the line item")
        if name.kind is not None:
            named.append(name.own_id)
        own.append((name.own_id, result))
    if named:
        keys = [desk.identity.of(_IDENTITY[kind], name) for name in named]
        if set(keys) - set(await book_queries.known_results(desk.conn, keys)):
            raise invalid_data(
                "sourcedId: id нового результата не начинается с mark:, final_grade: или exam_result: / "
                "the id of a new result does not begin with mark:, final_grade: or exam_result:"
            )
    return own


async def _meant(desk: Desk, kind: RecordKind, own: Sequence[tuple[str, SentResult]]) -> list[UUID]:
    """Our ids of the results that these ids mean."""
    keys = [desk.identity.of(_IDENTITY[kind], name) for name, _ in own]
    if kind is not RecordKind.FINAL_GRADES:
        return keys
    meant = await resolve(desk.conn, keys)
    return [meant[key] for key in keys]


def _kind_of(category: str) -> RecordKind:
    if category == model.FINAL_GRADE:
        return RecordKind.FINAL_GRADES
    return RecordKind.EXAM_RESULTS if category in model.EXAM_KINDS else RecordKind.MARKS


async def _fields(
    desk: Desk, item: Row, kind: RecordKind, sent: Sequence[tuple[str, SentResult]], keys: Sequence[UUID]
) -> list[dict[str, Any]]:
    """The records' fields as text, like a row of a file."""
    if kind is RecordKind.MARKS:
        kept = await writing_queries.marks_as_sent(desk.conn, keys)
        return [_mark(item, name, one, kept.get(key)) for (name, one), key in zip(sent, keys, strict=True)]
    zone = await writing_queries.time_zone(desk.conn, item["school_id"])
    known = await writing_queries.obtained(desk.conn, keys)
    made = []
    for (name, result), key in zip(sent, keys, strict=True):
        fields = _base(item, result) | {"result_id": name, "obtained_at": _obtained_at(result, known.get(key), zone)}
        if kind is RecordKind.FINAL_GRADES:
            held = result.metadata.held
            if held is None:
                held = await _held(desk, item, result, known.get(key))
            made.append(fields | {"period_id": item["period"], "value": _value(result), "held": str(held).lower()})
        else:
            made.append(fields | _exam(item, result))
    return made


async def _held(desk: Desk, item: Row, result: SentResult, known: Row | None) -> bool:
    """Whether a grade waits of which the client does not say so: as before, and a new one as the school has it."""
    if known is not None:
        return bool(known["held"])
    return (await policy_on(desk.conn, item["school_id"], result.score_date)).hold_final_grades


def _base(item: Row, result: SentResult) -> dict[str, Any]:
    return {
        "student_id": result.student.sourced_id,
        "subject_id": item["subject"],
        "state": "active" if result.status == "active" else "withdrawn",
    }


def _mark(item: Row, name: str, result: SentResult, kept: Row | None) -> dict[str, Any]:
    """A mark's fields. A known mark keeps its lesson and author as long as it stays one of that day and subject."""
    fields = _base(item, result) | {
        "mark_id": name,
        "group_id": item["class"] or "",
        "lesson_on": item["due_on"].isoformat(),
        "work_type": item["category"],
        "weight": str(item["weight"]),
        "value": _value(result) or (kept["value"] if kept is not None and result.status != "active" else ""),
        "comment": result.comment,
    }
    if kept is not None and (kept["lesson_on"], kept["subject_id"]) == (item["due_on"], item["subject"]):
        fields |= {"lesson_id": kept["lesson_id"] or "", "author_id": kept["author_id"] or ""}
        if model.parse_item_id(item["sourced_id"]) is not None and kept["group_id"] is None:
            # It stands in the student's class without naming a group.
            fields["group_id"] = ""
    return fields


def _exam(item: Row, result: SentResult) -> dict[str, Any]:
    return {
        "kind": item["category"],
        "title": item["title"],
        "score": _plain(result.score),
        "max_score": _plain(item["max_score"]),
        "grade": result.metadata.value or result.text_score or "",
    }


def _value(result: SentResult) -> str:
    """The value of the scale; exempt says it without one."""
    given = grade_text(
        {
            "metadata.value": result.metadata.value or "",
            "textscore": result.text_score or "",
            "score": _plain(result.score),
        }
    )
    return given or ("осв" if result.score_status == "exempt" else "")


def _obtained_at(result: SentResult, known: Row | None, zone: str) -> str:
    """When it was obtained. Who repeats only the day of a known result means the instant that is known."""
    if result.metadata.obtained_at is None and known is not None and known["obtained_on"] == result.score_date:
        return str(known["obtained_at"].isoformat())
    return instant_text(
        {"metadata.obtainedat": result.metadata.obtained_at or "", "scoredate": result.score_date.isoformat()}, zone
    )


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"


def _text(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if value is None else str(value) for name, value in fields.items()}


def _record(kind: RecordKind, fields: dict[str, Any]) -> Record:
    """The record.

    Raises:
        StatusInfo: 422, the fields are none.
    """
    try:
        return from_text(_MODEL[kind], fields)
    except ValidationError as error:
        raise refused(rejections.faults_of(error)) from None


async def _take(desk: Desk, school_id: UUID, kind: RecordKind, records: Sequence[Record]) -> Outcome:
    """Takes records; if one is refused, nothing is kept.

    Raises:
        StatusInfo: 403 or 422, the journal refuses one.
    """
    placed = [Placed(place, record) for place, record in enumerate(records)]
    outcome = await take(desk.conn, kind, desk.taking(school_id), placed)
    if outcome.rejected:
        raise refused([fault for _, fault in outcome.rejected])
    return outcome


def refused(faults: Sequence[Fault]) -> StatusInfo:
    """Why the journal does not take it: field, code and a sentence, never the value."""
    told = "; ".join(
        f"{fault.field or 'record'}: {fault.code} ({rejections.text(fault.code)} / {rejections.text(fault.code, 'en')})"
        for fault in faults[:5]
    )
    if any(fault.code in _FORBIDDEN for fault in faults):
        return StatusInfo(403, Minor.FORBIDDEN, told)
    return invalid_data(told)
