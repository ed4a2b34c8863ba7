"""What OneRoster files say about each other: roles, birth dates, classes, categories and line items."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.gradebook.exchange.oneroster_pack import Pack
from services.gradebook.exchange.oneroster_rows import rows_of
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.table import Row
from services.gradebook.rejections import Code

FINAL_GRADE = "final_grade"
EXAMS = ("oge", "ege", "school_exam", "competition")
SCHOOL_YEARS = range(1900, 2200)
DEFAULT_ZONE = "Europe/Moscow"


class LineItem(NamedTuple):
    """What a result was given for."""

    title: str
    category: str
    """A work type, `final_grade`, or the kind of an exam."""
    weight: str
    class_id: str
    course_id: str
    school_id: str
    session_id: str
    due_on: str
    max_score: str


class Index:
    """The files that others refer to. It grows as the steps go through them in their order."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._zones: dict[str, str] = {}
        self._sessions: dict[str, str] = {}
        self._births: dict[str, str] = {}
        self._roles: dict[str, list[tuple[str, str]]] = {}
        self._known_roles: dict[str, frozenset[str]] = {}
        self._role_sets: dict[frozenset[str], frozenset[str]] = {}
        self._classes: dict[str, tuple[str, str]] = {}
        self._homerooms: set[str] = set()
        self._journal_courses: set[str] = set()
        self._journal_classes: set[str] = set()
        self._categories: dict[str, tuple[str, str]] = {}
        self._items: dict[str, LineItem] = {}

    def add_school(self, school_id: str, time_zone: str) -> None:
        """Notes a school and its time zone."""
        self._zones[school_id] = time_zone or DEFAULT_ZONE

    def may_be_school(self, org_id: str) -> bool:
        """Whether people of this org count: it is a school, or the bundle (a delta) does not say."""
        return org_id in self._zones or not self._zones

    def zone_of(self, school_id: str) -> str:
        """The school's time zone."""
        return self._zones.get(school_id, DEFAULT_ZONE)

    def add_session(self, session_id: str, school_id: str) -> None:
        """Notes a session; `school_id` is blank for one of all schools."""
        self._sessions[session_id] = school_id

    def periods_of_session(self, session_id: str) -> list[tuple[str, str]]:
        """(period_id, school_id): a session without a school is a period of every school in the bundle."""
        school_id = self._sessions[session_id]
        schools = [school_id] if school_id else list(self._zones)
        return [(self.period_id(session_id, school), school) for school in schools]

    def period_id(self, session_id: str, school_id: str) -> str:
        """The id of a school's period: the session's own, with the school where all schools share the session."""
        if not session_id or self._sessions.get(session_id):
            return session_id
        return f"{session_id}@{school_id}"

    def load_demographics(self) -> Iterator[Rejection]:
        """Reads birth dates."""
        for item in self._table("demographics.csv", {"sourcedid"}, {"birthdate"}):
            if isinstance(item, Rejection):
                yield item
            elif item.cells["sourcedid"] in self._births:
                yield self._duplicate("demographics.csv", item)
            else:
                self._births[item.cells["sourcedid"]] = item.cells.get("birthdate", "")

    def birth_date(self, user_id: str) -> str:
        """A user's birth date; blank when not given."""
        return self._births.get(user_id, "")

    def load_roles(self) -> Iterator[Rejection]:
        """Reads the roles of OneRoster 1.2."""
        seen: set[str] = set()
        optional = {"sourcedid", "status"}
        for item in self._table("roles.csv", {"usersourcedid", "role", "orgsourcedid"}, optional):
            if isinstance(item, Rejection):
                yield item
                continue
            role_id = item.cells.get("sourcedid", "")
            if role_id in seen:
                yield self._duplicate("roles.csv", item)
                continue
            if role_id:
                seen.add(role_id)
            if item.cells.get("status", "").lower() != "tobedeleted":
                role = item.cells["role"].lower(), item.cells["orgsourcedid"]
                self._roles.setdefault(item.cells["usersourcedid"], []).append(role)

    def roles_of(self, user: dict[str, str]) -> list[tuple[str, str]]:
        """(role, org) of a row of users.csv: from roles.csv (1.2), otherwise from the row itself (1.1)."""
        roles = self._roles.get(user["sourcedid"])
        if roles is None:
            role = user.get("role", "").lower()
            orgs = user.get("orgsourcedids", "").split(",")
            roles = [(role, org.strip()) for org in orgs if role and org.strip()]
        for further in user.get("metadata.furtherroles", "").split(","):
            role, at, org = further.strip().partition("@")
            roles = [*roles, (role.lower(), org)] if at else roles
        # Several periods of one role at one school are one statement about the person.
        roles = list(dict.fromkeys(roles))
        names = frozenset(role for role, _ in roles)
        # A handful of different sets serves all users.
        self._known_roles[user["sourcedid"]] = self._role_sets.setdefault(names, names)
        return roles

    def known_roles(self, user_id: str) -> frozenset[str]:
        """The roles of a user that was read before."""
        return self._known_roles.get(user_id, frozenset())

    def add_journal_course(self, course_id: str) -> None:
        """Notes a course that is no subject."""
        self._journal_courses.add(course_id)

    def subject_of_course(self, course_id: str) -> str:
        """The subject; blank for a course that is none."""
        return "" if course_id in self._journal_courses else course_id

    def add_journal_class(self, class_id: str) -> None:
        """Notes a class that is no group."""
        self._journal_classes.add(class_id)

    def add_class(self, class_id: str, course_id: str, school_id: str, *, homeroom: bool) -> None:
        """Notes a class."""
        self._classes[class_id] = (course_id, school_id)
        if homeroom:
            self._homerooms.add(class_id)

    def class_known(self, class_id: str) -> bool:
        """Whether the bundle has the class; a delta need not."""
        return class_id in self._classes

    def subject_taught(self, class_id: str, *, main: bool) -> str:
        """What a teacher of a class teaches it; blank for its class teacher, and for a class without a subject.

        Args:
            class_id: a class of the bundle.
            main: the class's primary teacher, or not said to be another one: of a homeroom, the class teacher.
        """
        return "" if main and class_id in self._homerooms else self._classes[class_id][0]

    def load_categories(self) -> Iterator[Rejection]:
        """Reads categories: a work type's code, `final_grade`, or an exam's kind, with the weight of its marks."""
        for item in self._table("categories.csv", {"sourcedid", "title"}, {"weight", "metadata.weight"}):
            if isinstance(item, Rejection):
                yield item
            elif item.cells["sourcedid"] in self._categories:
                yield self._duplicate("categories.csv", item)
            else:
                weight = item.cells.get("metadata.weight") or item.cells.get("weight", "")
                self._categories[item.cells["sourcedid"]] = (item.cells["title"].lower(), weight)

    def load_line_items(self) -> Iterator[Rejection]:
        """Reads line items, joined with their class and category."""
        required = {"sourcedid", "title", "classsourcedid", "categorysourcedid"}
        optional = {
            "duedate",
            "gradingperiodsourcedid",
            "academicsessionsourcedid",
            "resultvaluemax",
            "metadata.subjectsourcedid",
            "metadata.groupsourcedid",
            "metadata.nomaximum",
        }
        for item in self._table("lineItems.csv", required, optional):
            yield from [item] if isinstance(item, Rejection) else self._add_line_item(item)

    def _add_line_item(self, row: Row) -> Iterator[Rejection]:
        cells = row.cells
        if cells["sourcedid"] in self._items:
            yield self._duplicate("lineItems.csv", row)
            return
        group = self._classes.get(cells["classsourcedid"])
        category = self._categories.get(cells["categorysourcedid"])
        if group is None or category is None:
            field = "classSourcedId" if group is None else "categorySourcedId"
            yield Rejection(
                self._pack.bundle.given_name(self._pack.files["lineItems.csv"]), row.line, field, Code.ORPHAN_ROW
            )
            return
        place = "" if cells["classsourcedid"] in self._journal_classes else cells["classsourcedid"]
        course_id, school_id = group
        self._items[cells["sourcedid"]] = LineItem(
            cells["title"],
            category[0],
            category[1],
            cells.get("metadata.groupsourcedid") or place,
            cells.get("metadata.subjectsourcedid") or course_id,
            school_id,
            # 1.2 calls it the academic session.
            cells.get("gradingperiodsourcedid") or cells.get("academicsessionsourcedid", ""),
            cells.get("duedate", "")[:10],
            "" if cells.get("metadata.nomaximum") else cells.get("resultvaluemax", ""),
        )

    def line_item(self, item_id: str) -> LineItem | None:
        """A line item; None when it is unknown or was rejected."""
        return self._items.get(item_id)

    def _duplicate(self, name: str, row: Row) -> Rejection:
        file = self._pack.bundle.given_name(self._pack.files[name])
        return Rejection(file, row.line, "sourcedId", Code.DUPLICATE_ID)

    def _table(self, name: str, required: set[str], optional: set[str]) -> Iterator[Row | Rejection]:
        return rows_of(self._pack, name, required, optional)


def grade_text(cells: dict[str, str]) -> str:
    """The grade of a result: our own column, the text score of 1.2, or the score without needless zeros."""
    given = cells.get("metadata.value") or cells.get("textscore")
    if given:
        return given
    score = cells["score"]
    whole, _, rest = score.replace(",", ".").partition(".")
    return whole if not rest.strip("0") else score


def instant_text(cells: dict[str, str], time_zone: str) -> str:
    """When a result was obtained. A date alone counts from its first moment: the 24 hours are never too long."""
    given = cells.get("metadata.obtainedat") or cells["scoredate"]
    if len(given) != len("2026-10-23"):
        return given
    try:
        return datetime.fromisoformat(given).replace(tzinfo=ZoneInfo(time_zone)).isoformat()
    except (ValueError, ZoneInfoNotFoundError):
        return given
