"""Reading: one object, or a page of a collection that a filter, an order and the place in a hierarchy narrow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from chassis.database import Connection
from services.gradebook import oneroster_model as model
from services.gradebook.closing.fulfilling import resolve
from services.gradebook.domain import Identity
from services.gradebook.oneroster_rest import book_queries, result_names
from services.gradebook.oneroster_rest.collections import LINE_ITEMS, RESULTS, Collection
from services.gradebook.oneroster_rest.compiling import BadCursorError, Order, Parameters, condition
from services.gradebook.oneroster_rest.filters import Filter, FilterError
from services.gradebook.oneroster_rest.result_names import RESULT_KINDS
from services.gradebook.oneroster_rest.shapes import Row
from services.gradebook.oneroster_rest.statuses import Minor, StatusInfo, unknown_object


@dataclass(frozen=True)
class Asked:
    """What a client asks of a collection, beyond its place."""

    limit: int
    offset: int = 0
    sort: str = ""
    descending: bool = False
    filter: Filter | None = None
    after: str = ""
    """A cursor from a link; it goes before the offset."""


@dataclass(frozen=True)
class Page:
    """Some rows of a collection."""

    rows: Sequence[Row]
    total: int
    """All that fit."""
    next_cursor: str | None
    """None: there is nothing behind."""


@dataclass
class Narrowing:
    """Conditions over a collection, and their values."""

    parameters: Parameters
    conditions: list[str] = field(default_factory=list)
    query: str = ""
    """Instead of the collection's: one that looks at less."""

    @classmethod
    def of(cls, source: str) -> "Narrowing":
        """None yet; the collections' queries have the client's source as their first value."""
        return cls(Parameters([source]))


Place = Callable[[Narrowing, Sequence[Row]], None]
"""Narrows a collection to what stands under the rows that the path names."""


def where(template: str) -> Place:
    """A place by a condition in which `{0}`, `{1}` … are the keys of the rows that the path names."""

    def narrow(narrowing: Narrowing, parents: Sequence[Row]) -> None:
        keys = [f"{narrowing.parameters.add(parent['key'])}::uuid" for parent in parents]
        narrowing.conditions.append(template.format(*keys))

    return narrow


def anywhere(_narrowing: Narrowing, _parents: Sequence[Row]) -> None:
    """The place of what is the same everywhere."""


def _of_class(group: str) -> str:
    """Results of a class; the second half only lets indexes be used."""
    return f"(t.class_id = {group} AND {book_queries.OF_CLASS.format(row='t', group=group)})"


def results_of_class(narrowing: Narrowing, parents: Sequence[Row]) -> None:
    """The results of a class, and of a student in it where the path names one."""
    group, *students = [f"{narrowing.parameters.add(parent['key'])}::uuid" for parent in parents]
    narrowing.conditions.append(_of_class(group))
    narrowing.conditions += [f"t.student_id = {student}" for student in students]


def items_of_class(narrowing: Narrowing, parents: Sequence[Row]) -> None:
    """The line items of a class."""
    group = f"{narrowing.parameters.add(parents[0]['key'])}::uuid"
    narrowing.conditions.append(f"t.class_id = {group}")
    narrowing.query = book_queries.line_items(group)


def results_of_item(narrowing: Narrowing, parents: Sequence[Row]) -> None:
    """The results in a line item: the last that the path names."""
    item = parents[-1]
    if item["class_id"] is not None:
        narrowing.conditions.append(_of_class(f"{narrowing.parameters.add(item['class_id'])}::uuid"))
    narrowing.conditions.append(f"t.line_item = {narrowing.parameters.add(item['sourced_id'])}")


class Reader:
    """Reads within one transaction for one client."""

    def __init__(self, conn: Connection, identity: Identity, source: str, school_id: UUID | None = None) -> None:
        """A reader.

        Args:
            conn: the transaction, whose scope is the client's.
            identity: makes our ids of those in the client's source.
            source: the namespace of the ids that the client speaks.
            school_id: the school of a client that has one.
        """
        self._conn = conn
        self._identity = identity
        self._source = source
        self._school_id = school_id

    def _narrowing(self, collection: Collection) -> Narrowing:
        """What a client may see anyway: row security says it too, but as no index can answer."""
        narrowing = Narrowing.of(self._source)
        if self._school_id is not None and collection in (RESULTS, LINE_ITEMS):
            narrowing.conditions.append(f"t.school_id = {narrowing.parameters.add(self._school_id)}::uuid")
        return narrowing

    async def one(
        self,
        collection: Collection,
        sourced_id: str,
        place: Place = anywhere,
        parents: Sequence[Row] = (),
    ) -> Row:
        """An object of a collection, at a place.

        Raises:
            StatusInfo: 404, there is none that the client may see; 422, the id names several results.
        """
        if not sourced_id.isprintable():
            # No id has such characters, and PostgreSQL takes no NUL.
            raise unknown_object("…")
        narrowing = self._narrowing(collection)
        place(narrowing, parents)
        await self._by_id(narrowing, collection, sourced_id)
        rows = await self._rows(collection, narrowing, f"LIMIT {len(RESULT_KINDS)}")
        if not rows:
            raise unknown_object(sourced_id)
        if len(rows) > 1:
            raise StatusInfo(
                422,
                Minor.INVALID_DATA,
                "Этот id есть у результатов разных видов: добавьте mark:, final_grade: или exam_result:. / "
                "Results of several kinds have this id: put mark:, final_grade: or exam_result: before it.",
            )
        return (await self.told_apart(collection, rows))[0]

    async def _by_id(self, narrowing: Narrowing, collection: Collection, sourced_id: str) -> None:
        if collection is LINE_ITEMS:
            self._item_by_id(narrowing, sourced_id)
        elif collection is RESULTS:
            keys = narrowing.parameters.add(await self._result_keys(sourced_id))
            narrowing.conditions.append(f"t.key = ANY({keys}::uuid[])")
        elif not collection.identity:
            narrowing.conditions.append(f"t.sourced_id = {narrowing.parameters.add(sourced_id)}")
        else:
            own = {f"{prefix}.{self._source}": key for prefix, key in (collection.fixed or {}).items()}
            fixed = own.get(sourced_id)
            key = UUID(fixed) if fixed else self._identity.of(collection.identity, sourced_id)
            narrowing.conditions.append(f"t.key = {narrowing.parameters.add(key)}")

    async def _result_keys(self, sourced_id: str) -> list[UUID]:
        name = result_names.parse(sourced_id)
        kinds = RESULT_KINDS if name.kind is None else (name.kind,)
        meant = await resolve(self._conn, [self._identity.of(kind, name.own_id) for kind in kinds])
        return list(meant.values())

    def _item_by_id(self, narrowing: Narrowing, sourced_id: str) -> None:
        narrowing.conditions.append(f"t.sourced_id = {narrowing.parameters.add(sourced_id)}")
        derived = model.parse_item_id(sourced_id)
        if derived is None:
            # A column that a client made: no result needs to be looked at.
            key = narrowing.parameters.add(str(self._identity.of("line_item", sourced_id)))
            narrowing.conditions.append(f"t.key = {key}")
            narrowing.query = book_queries.MADE_ITEMS
        elif derived.class_id is not None:
            group = f"{narrowing.parameters.add(derived.class_id)}::uuid"
            narrowing.query = book_queries.line_items(group)

    async def page(
        self, collection: Collection, asked: Asked, place: Place = anywhere, parents: Sequence[Row] = ()
    ) -> Page:
        """A page of a collection, at a place.

        Raises:
            StatusInfo: 400, the filter or the cursor does not fit the collection.
        """
        narrowing = self._narrowing(collection)
        place(narrowing, parents)
        order = Order(collection.key_type, collection.sortable().get(asked.sort), asked.descending)
        try:
            if asked.filter is not None:
                narrowing.conditions.append(condition(asked.filter, collection.fields, narrowing.parameters))
            sought = len(narrowing.parameters.values)
            behind = order.after(asked.after, narrowing.parameters) if asked.after else "true"
        except FilterError as error:
            raise bad_filter(error) from None
        except BadCursorError:
            raise StatusInfo(400, Minor.INVALID_DATA, "Неверный after. / The cursor is none of ours.") from None
        offset = 0 if asked.after else asked.offset
        tail = f"ORDER BY {order.sql()} LIMIT {asked.limit + 1} OFFSET {offset}"
        if collection.identity:
            total = await self._count(collection, narrowing, sought)
            rows = await self._looked_up(collection, narrowing, behind, tail, order)
        else:
            total, rows = await self._counted(collection, narrowing, behind, tail, order)
        more = len(rows) > asked.limit
        kept = rows[: asked.limit]
        return Page(await self.told_apart(collection, kept), total, order.cursor(kept[-1]) if more and kept else None)

    async def _rows(self, collection: Collection, narrowing: Narrowing, tail: str) -> list[Row]:
        sql = f"SELECT * FROM ({_query(collection, narrowing)}) AS t{_where(collection, narrowing)} {tail}"
        return [dict(row) for row in await self._conn.fetch(sql, *narrowing.parameters.values)]

    async def _looked_up(
        self, collection: Collection, narrowing: Narrowing, behind: str, tail: str, order: Order
    ) -> list[Row]:
        """Which rows first, and then only of these what costs more to look up."""
        within = f"FROM ({_query(collection, narrowing)}) AS t{_where(collection, narrowing, behind)} {tail}"
        sql = (
            f"SELECT * FROM ({collection.query}) AS t WHERE t.key = ANY(ARRAY(SELECT t.key {within}))"
            f" ORDER BY {order.sql()}"
        )
        return [dict(row) for row in await self._conn.fetch(sql, *narrowing.parameters.values)]

    async def _count(self, collection: Collection, narrowing: Narrowing, parameters: int) -> int:
        sql = f"SELECT count(*) FROM ({_query(collection, narrowing)}) AS t{_where(collection, narrowing)}"
        count: int = await self._conn.fetchval(sql, *narrowing.parameters.values[:parameters])
        return count

    async def _counted(
        self, collection: Collection, narrowing: Narrowing, behind: str, tail: str, order: Order
    ) -> tuple[int, list[Row]]:
        """How many there are, and some of them: of what has no table of its own, in one go."""
        sql = (
            f"WITH every AS MATERIALIZED (SELECT * FROM ({_query(collection, narrowing)}) AS t"
            f"{_where(collection, narrowing)})"
            f" SELECT c.of_all, t.* FROM (SELECT count(*) AS of_all FROM every) AS c"
            f" LEFT JOIN (SELECT * FROM every AS t WHERE {behind} {tail}) AS t ON true ORDER BY {order.sql()}"
        )
        rows = [dict(row) for row in await self._conn.fetch(sql, *narrowing.parameters.values)]
        return rows[0]["of_all"], [row for row in rows if row["key"] is not None]

    async def told_apart(self, collection: Collection, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows; where results of several kinds have one id, the kind is put before it.

        Marks, final grades and exam results are numbered apart in the journal, and are one collection here.
        """
        if collection is not RESULTS or not rows:
            return rows
        of_others = {
            self._identity.of(kind, row["sourced_id"]): row["sourced_id"]
            for row in rows
            if result_names.parse(row["sourced_id"]).kind is None
            for kind in RESULT_KINDS
            if kind != row["kind"]
        }
        shared = {of_others[key] for key in await book_queries.known_results(self._conn, list(of_others))}
        return [
            dict(row) | {"sourced_id": f"{row['kind']}:{row['sourced_id']}"} if row["sourced_id"] in shared else row
            for row in rows
        ]


def _query(collection: Collection, narrowing: Narrowing) -> str:
    return narrowing.query or collection.query


def _where(collection: Collection, narrowing: Narrowing, *more: str) -> str:
    conditions = [*narrowing.conditions, *([collection.only] if collection.only else []), *more]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def bad_filter(error: FilterError) -> StatusInfo:
    """What is wrong with a filter."""
    return StatusInfo(400, Minor.INVALID_FILTER_FIELD, f"Фильтр не подходит. / The filter does not fit: {error}.")
