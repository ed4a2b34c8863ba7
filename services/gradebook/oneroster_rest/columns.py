"""Columns that clients make: what results are for, before there are any."""

from uuid import UUID

from chassis.clock import Clock
from chassis.database import Database
from services.gradebook import oneroster_model as model
from services.gradebook import queries
from services.gradebook.oneroster_rest import writing_queries
from services.gradebook.oneroster_rest.bodies import SentLineItem
from services.gradebook.oneroster_rest.collections import CLASSES, COURSES, SESSIONS
from services.gradebook.oneroster_rest.shapes import Row
from services.gradebook.oneroster_rest.statuses import Minor, StatusInfo, invalid_data
from services.gradebook.oneroster_rest.tokens import GRADEBOOK_DELETE, Caller
from services.gradebook.oneroster_rest.writing import Desk
from services.gradebook.oneroster_rest.writing_queries import StoredItem


async def put_line_item(database: Database, clock: Clock, caller: Caller, sourced_id: str, sent: SentLineItem) -> bool:
    """Makes a column or states it anew. True: it is new.

    Raises:
        StatusInfo: 404, there is no such class, subject or period; 403, the id is another school's, or the token may
            not withdraw; 422, it does not fit together, or results are in it that would become something else.
    """
    if sent.status != "active":
        caller.require(GRADEBOOK_DELETE)
    if model.parse_item_id(sourced_id) is not None:
        raise invalid_data(
            "Эта колонка следует из отметок: меняйте их. / This line item follows from its results: change these."
        )
    async with database.transaction(caller.scope()) as conn:
        desk = await Desk.open(conn, clock, caller)
        stated = await _stated(desk, sourced_id, sent)
        await queries.lock(conn, f"oneroster_line_items/{stated.line_item_id}")
        present = await writing_queries.item(conn, stated.line_item_id)
        if present is None:
            if not await writing_queries.insert_item(conn, stated):
                raise StatusInfo(403, Minor.FORBIDDEN, "Этот id занят другой школой. / The id is another school's.")
            return True
        if present.school_id != stated.school_id:
            raise StatusInfo(403, Minor.FORBIDDEN, "Этот id занят другой школой. / The id is another school's.")
        if present.purpose() != stated.purpose() and await writing_queries.has_results(conn, stated.line_item_id):
            raise invalid_data(
                "В колонке есть результаты: класс, предмет, вид, вес, день и период не меняются. / "
                "There are results in it: class, subject, category, weight, day and period stay."
            )
        if present.said() != stated.said():
            await writing_queries.update_item(conn, stated._replace(revision=present.revision + 1))
        return False


async def _stated(desk: Desk, sourced_id: str, sent: SentLineItem) -> StoredItem:
    if sent.category.sourced_id not in model.CATEGORIES:
        raise invalid_data("category: неизвестный вид / unknown category")
    if sent.due_date < sent.assign_date:
        raise invalid_data("dueDate: конец раньше начала / the end is before the start")
    group = await desk.reader.one(CLASSES, sent.class_.sourced_id)
    return StoredItem(
        line_item_id=desk.identity.of("line_item", sourced_id),
        school_id=group["school_id"],
        source=desk.caller.source,
        external_id=sourced_id,
        group_id=group["key"],
        subject_id=await _subject(desk, group, sent),
        category=sent.category.sourced_id,
        weight=sent.metadata.weight,
        title=sent.title,
        description=sent.description,
        assigned_on=sent.assign_date,
        due_on=sent.due_date,
        period_id=await _period(desk, group, sent),
        max_score=sent.result_value_max if sent.category.sourced_id in model.EXAM_KINDS else None,
        state="active" if sent.status == "active" else "withdrawn",
        changed_by=desk.changed_by,
        changed_at=desk.now,
        revision=1,
    )


async def _subject(desk: Desk, group: Row, sent: SentLineItem) -> UUID:
    named = sent.metadata.subject_sourced_id
    if named is None and group["subject_id"] is None:
        raise invalid_data(
            "metadata.subjectSourcedId: у класса нет предмета, назовите его / the class has no subject: name one"
        )
    if named is None:
        subject: UUID = group["subject_id"]
        return subject
    course = await desk.reader.one(COURSES, named)
    if named == f"{model.NO_SUBJECT}.{desk.caller.source}":
        raise invalid_data("metadata.subjectSourcedId: это не предмет / this is no subject")
    found: UUID = course["key"]
    return found


async def _period(desk: Desk, group: Row, sent: SentLineItem) -> UUID | None:
    if sent.category.sourced_id != model.FINAL_GRADE:
        return None
    named = sent.period_id()
    if named is None:
        raise invalid_data("gradingPeriod: нужен для итоговой отметки / a final grade needs it")
    period = await desk.reader.one(SESSIONS, named)
    if period["school_id"] != group["school_id"]:
        raise invalid_data("gradingPeriod: период другой школы / another school's period")
    found: UUID = period["key"]
    return found
