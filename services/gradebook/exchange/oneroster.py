"""OneRoster 1.1 and 1.2 CSV, read into the same records as plain CSV. The package's text says what stands for what."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from services.gradebook.exchange.bundle import Bundle
from services.gradebook.exchange.oneroster_index import (
    EXAMS,
    FINAL_GRADE,
    SCHOOL_YEARS,
    Index,
    LineItem,
    grade_text,
    instant_text,
)
from services.gradebook.exchange.plain import lines_of
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.source import Piece, Step, make
from services.gradebook.exchange.table import Row, read_table
from services.gradebook.records import (
    ExamResultRecord,
    FinalGradeRecord,
    GroupRecord,
    MarkRecord,
    MemberRecord,
    PeriodRecord,
    PersonRecord,
    Record,
    RecordKind,
    RepresentativeRecord,
    SchoolRecord,
    SubjectRecord,
)
from services.gradebook.rejections import Code

MANIFEST = "manifest.csv"
FILES = (
    "academicsessions.csv",
    "categories.csv",
    "classes.csv",
    "courses.csv",
    "demographics.csv",
    "enrollments.csv",
    "lineitems.csv",
    "orgs.csv",
    "results.csv",
    "roles.csv",
    "users.csv",
)
"""The files that are read; the standard has more."""

_KINDS_OF_GROUP = {"homeroom": "class", "scheduled": "study_group"}
_REPRESENTATIVES = {"parent": "parent", "guardian": "guardian", "relative": "other"}
_ROLES = {"student": "student", "teacher": "teacher", **dict.fromkeys(_REPRESENTATIVES, "representative")}

Convert = Callable[[Row, str], Iterator[Piece]]


class OneRoster:
    """A bundle of OneRoster files, bulk or delta."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._index = Index(bundle)

    def ignored(self) -> list[str]:
        """Files that the standard or the journal has beyond those that are read."""
        return sorted(given for name, given in self._bundle.names().items() if name not in (*FILES, MANIFEST))

    def steps(self) -> Sequence[Step]:
        """The files in the order of dependence; users are read twice: as people, and for who represents whom."""
        index = self._index
        wanted: list[tuple[str, tuple[RecordKind, ...], Callable[[], Iterator[Piece]]]] = [
            (MANIFEST, (), self._manifest),
            ("orgs.csv", (RecordKind.SCHOOLS,), lambda: self._each("orgs.csv", _ORGS, self._school)),
            ("courses.csv", (RecordKind.SUBJECTS,), lambda: self._each("courses.csv", _COURSES, self._subject)),
            ("academicsessions.csv", (RecordKind.PERIODS,), self._periods),
            ("demographics.csv", (), index.load_demographics),
            ("roles.csv", (), index.load_roles),
            ("users.csv", (RecordKind.PEOPLE,), lambda: self._each("users.csv", _USERS, self._people)),
            ("classes.csv", (RecordKind.GROUPS,), lambda: self._each("classes.csv", _CLASSES, self._group)),
            (
                "enrollments.csv",
                (RecordKind.MEMBERS,),
                lambda: self._each("enrollments.csv", _ENROLLMENTS, self._member),
            ),
            ("users.csv", (RecordKind.REPRESENTATIVES,), self._representatives),
            ("categories.csv", (), index.load_categories),
            ("lineitems.csv", (), index.load_line_items),
            (
                "results.csv",
                (RecordKind.MARKS, RecordKind.FINAL_GRADES, RecordKind.EXAM_RESULTS),
                lambda: self._each("results.csv", _RESULTS, self._result),
            ),
        ]
        return [
            Step(self._bundle.given_name(name), kinds, lines_of(self._bundle, name), pieces, columns_of(kinds))
            for name, kinds, pieces in wanted
            if name in self._bundle or name == MANIFEST
        ]

    def _manifest(self) -> Iterator[Piece]:
        """What the manifest promises must be there. A blank value promises nothing."""
        if MANIFEST not in self._bundle:
            yield Rejection(MANIFEST, None, "", Code.MISSING_FILE)
            return
        columns = {"propertyname", "value"}
        for item in read_table(self._bundle, MANIFEST, required=columns, wanted=columns):
            if isinstance(item, Rejection):
                yield item
                continue
            name = item.cells["propertyname"].lower()
            promised = name.startswith("file.") and item.cells["value"].lower() in ("bulk", "delta")
            file = f"{name.removeprefix('file.')}.csv"
            if promised and file in FILES and file not in self._bundle:
                yield Rejection(file, None, item.cells["propertyname"], Code.MISSING_FILE)

    def _each(self, name: str, columns: tuple[set[str], set[str]], convert: Convert) -> Iterator[Piece]:
        required, optional = columns
        file = self._bundle.given_name(name)
        for item in read_table(self._bundle, name, required=required, wanted=required | optional):
            if isinstance(item, Rejection):
                yield item
            else:
                yield from convert(item, file)

    def _school(self, row: Row, file: str) -> Iterator[Piece]:
        cells = row.cells
        if cells["type"].lower() != "school":
            return
        if _deleted(cells):
            yield Rejection(file, row.line, "status", Code.NOT_DELETABLE)
            return
        self._index.add_school(cells["sourcedid"], cells.get("metadata.timezone", ""))
        fields = {
            "school_id": cells["sourcedid"],
            "name": cells["name"],
            "address": cells.get("metadata.address", ""),
            "time_zone": cells.get("metadata.timezone", ""),
        }
        yield from make(SchoolRecord, fields, file=file, line=row.line, columns=_ORG_COLUMNS)

    def _subject(self, row: Row, file: str) -> Iterator[Piece]:
        if _deleted(row.cells):
            yield Rejection(file, row.line, "status", Code.NOT_DELETABLE)
            return
        fields = {"subject_id": row.cells["sourcedid"], "title": row.cells["title"]}
        yield from make(SubjectRecord, fields, file=file, line=row.line, columns=_COURSE_COLUMNS)

    def _periods(self) -> Iterator[Piece]:
        sessions: list[tuple[Row, dict[str, str]]] = []
        yield from self._each("academicsessions.csv", _SESSIONS, self._keep_session(sessions))
        file = self._bundle.given_name("academicsessions.csv")
        for row, fields in sessions:
            for period_id, school_id in self._index.periods_of_session(row.cells["sourcedid"]):
                yield from make(
                    PeriodRecord,
                    {**fields, "period_id": period_id, "school_id": school_id},
                    file=file,
                    line=row.line,
                    columns=_SESSION_COLUMNS,
                )

    def _keep_session(self, sessions: list[tuple[Row, dict[str, str]]]) -> Convert:
        def keep(row: Row, file: str) -> Iterator[Piece]:
            if _deleted(row.cells):
                yield Rejection(file, row.line, "status", Code.NOT_DELETABLE)
                return
            self._index.add_session(row.cells["sourcedid"], row.cells.get("metadata.schoolsourcedid", ""))
            sessions.append((row, _session_fields(row.cells)))
            _number_by_start([fields for _, fields in sessions])

        return keep

    def _people(self, row: Row, file: str) -> Iterator[Piece]:
        cells = row.cells
        for role, org in self._index.roles_of(cells):
            if role not in _ROLES or not self._index.may_be_school(org):
                continue
            fields = {
                "person_id": cells["sourcedid"],
                "role": _ROLES[role],
                "family": cells["familyname"],
                "given": cells["givenname"],
                "patronymic": cells.get("middlename", ""),
                "birth_date": self._index.birth_date(cells["sourcedid"]),
                "school_id": org,
                "state": _state(cells),
            }
            yield from make(PersonRecord, fields, file=file, line=row.line, columns=_USER_COLUMNS)

    def _representatives(self) -> Iterator[Piece]:
        seen: set[tuple[str, str]] = set()
        for item in self._each("users.csv", _USERS, self._agents):
            # Faults of the rows themselves were reported when the people were read.
            if isinstance(item, Rejection) or item.record.key() in seen:
                continue
            seen.add((item.record.key()[0], item.record.key()[1]))
            yield item

    def _agents(self, row: Row, file: str) -> Iterator[Piece]:
        own = frozenset(role for role, _ in self._index.roles_of(row.cells))
        for agent in split_list(row.cells.get("agentsourcedids", "")):
            other = self._index.known_roles(agent)
            if "student" in own:
                adult, student, roles = agent, row.cells["sourcedid"], other
            elif "student" in other:
                adult, student, roles = row.cells["sourcedid"], agent, own
            else:
                continue
            kind = next((_REPRESENTATIVES[role] for role in _REPRESENTATIVES if role in roles), "other")
            fields = {
                "representative_id": adult,
                "student_id": student,
                "kind": kind,
                "in_force": "true",
                "state": _state(row.cells),
            }
            yield from make(RepresentativeRecord, fields, file=file, line=row.line, columns=_AGENT_COLUMNS)

    def _group(self, row: Row, file: str) -> Iterator[Piece]:
        cells = row.cells
        self._index.add_class(cells["sourcedid"], cells["coursesourcedid"], cells["schoolsourcedid"])
        kind = cells.get("metadata.kind") or _KINDS_OF_GROUP.get(cells["classtype"].lower(), "")
        fields = {
            "group_id": cells["sourcedid"],
            "school_id": cells["schoolsourcedid"],
            "kind": kind,
            "name": cells["title"],
            "grade_level": next(iter(split_list(cells.get("grades", ""))), ""),
            # A homeroom needs a course in OneRoster, but a class as such learns no one subject.
            "subject_id": "" if kind == "class" else cells["coursesourcedid"],
            "state": _state(cells),
        }
        yield from make(GroupRecord, fields, file=file, line=row.line, columns=_CLASS_COLUMNS)

    def _member(self, row: Row, file: str) -> Iterator[Piece]:
        cells = row.cells
        if cells["role"].lower() != "student":
            return
        fields = {"group_id": cells["classsourcedid"], "person_id": cells["usersourcedid"], "state": _state(cells)}
        yield from make(MemberRecord, fields, file=file, line=row.line, columns=_ENROLLMENT_COLUMNS)

    def _result(self, row: Row, file: str) -> Iterator[Piece]:
        item = self._index.line_item(row.cells["lineitemsourcedid"])
        if item is None:
            yield Rejection(file, row.line, "lineItemSourcedId", Code.ORPHAN_ROW)
            return
        model, fields = self._fields_of_result(row.cells, item)
        yield from make(model, fields, file=file, line=row.line, columns=_RESULT_COLUMNS)

    def _fields_of_result(self, cells: dict[str, str], item: LineItem) -> tuple[type[Record], dict[str, Any]]:
        value = grade_text(cells)
        fields: dict[str, Any] = {
            "student_id": cells["studentsourcedid"],
            "subject_id": item.course_id,
            "state": _state(cells),
        }
        if item.category == FINAL_GRADE:
            return FinalGradeRecord, fields | {
                "result_id": cells["sourcedid"],
                "period_id": self._index.period_id(item.session_id, item.school_id),
                "value": value,
                "obtained_at": instant_text(cells, self._index.zone_of(item.school_id)),
                "held": cells.get("metadata.held", ""),
            }
        if item.category in EXAMS:
            return ExamResultRecord, fields | {
                "result_id": cells["sourcedid"],
                "kind": item.category,
                "title": item.title,
                "score": cells["score"],
                "max_score": item.max_score,
                "grade": cells.get("metadata.value") or cells.get("textscore", ""),
                "obtained_at": instant_text(cells, self._index.zone_of(item.school_id)),
            }
        return MarkRecord, fields | {
            "mark_id": cells["sourcedid"],
            "group_id": item.class_id,
            "lesson_on": item.due_on or cells["scoredate"][:10],
            "work_type": item.category,
            "weight": item.weight,
            "value": value,
        }


def split_list(text: str) -> list[str]:
    """A OneRoster list: values with commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _deleted(cells: dict[str, str]) -> bool:
    return cells.get("status", "").lower() == "tobedeleted"


def _state(cells: dict[str, str]) -> str:
    return "withdrawn" if _deleted(cells) else "active"


def _session_fields(cells: dict[str, str]) -> dict[str, str]:
    year = cells["schoolyear"]
    kind = {"schoolyear": "year", "semester": "half_year", "term": "quarter", "gradingperiod": "quarter"}
    return {
        "kind": kind.get(cells["type"].lower(), cells["type"]),
        "number": cells.get("metadata.number", ""),
        # OneRoster names a school year by the year in which it ends.
        "school_year": f"{int(year) - 1}/{year}" if year.isdecimal() and int(year) in SCHOOL_YEARS else year,
        "starts_on": cells["startdate"],
        "ends_on": cells["enddate"],
    }


def _number_by_start(sessions: list[dict[str, str]]) -> None:
    """Numbers the sessions of a kind and year by their start, where the journal gives no number."""
    order: dict[tuple[str, str], int] = {}
    for fields in sorted(sessions, key=lambda fields: fields["starts_on"]):
        key = fields["kind"], fields["school_year"]
        order[key] = order.get(key, 0) + 1
        fields.setdefault("given_number", fields["number"])
        fields["number"] = fields["given_number"] or str(order[key])


_META = {"status"}
_ORGS = ({"sourcedid", "name", "type"}, _META | {"metadata.address", "metadata.timezone"})
_COURSES = ({"sourcedid", "title"}, _META)
_SESSIONS = (
    {"sourcedid", "type", "startdate", "enddate", "schoolyear"},
    _META | {"metadata.number", "metadata.schoolsourcedid"},
)
_USERS = (
    {"sourcedid", "givenname", "familyname"},
    _META | {"role", "orgsourcedids", "middlename", "agentsourcedids"},
)
_CLASSES = (
    {"sourcedid", "title", "coursesourcedid", "classtype", "schoolsourcedid"},
    _META | {"grades", "metadata.kind"},
)
_ENROLLMENTS = ({"classsourcedid", "usersourcedid", "role"}, _META)
_RESULTS = (
    {"sourcedid", "lineitemsourcedid", "studentsourcedid", "score", "scoredate"},
    _META | {"textscore", "metadata.value", "metadata.obtainedat", "metadata.held"},
)

_ORG_COLUMNS = {"school_id": "sourcedId", "address": "metadata.address", "time_zone": "metadata.timeZone"}
_COURSE_COLUMNS = {"subject_id": "sourcedId"}
_ENROLLMENT_COLUMNS = {"group_id": "classSourcedId", "person_id": "userSourcedId"}
_SESSION_COLUMNS = {
    "period_id": "sourcedId",
    "kind": "type",
    "number": "metadata.number",
    "school_year": "schoolYear",
    "starts_on": "startDate",
    "ends_on": "endDate",
}
_USER_COLUMNS = {
    "person_id": "sourcedId",
    "family": "familyName",
    "given": "givenName",
    "patronymic": "middleName",
    "birth_date": "demographics.birthDate",
    "school_id": "orgSourcedIds",
}
_AGENT_COLUMNS = {"representative_id": "agentSourcedIds", "student_id": "sourcedId"}
_CLASS_COLUMNS = {
    "group_id": "sourcedId",
    "school_id": "schoolSourcedId",
    "kind": "classType",
    "name": "title",
    "grade_level": "grades",
    "subject_id": "courseSourcedId",
}
_RESULT_COLUMNS = {
    "mark_id": "sourcedId",
    "result_id": "sourcedId",
    "student_id": "studentSourcedId",
    "subject_id": "lineItemSourcedId",
    "period_id": "lineItemSourcedId",
    "group_id": "lineItemSourcedId",
    "lesson_on": "scoreDate",
    "work_type": "lineItemSourcedId",
    "weight": "lineItemSourcedId",
    "title": "lineItemSourcedId",
    "value": "score",
    "grade": "metadata.value",
    "obtained_at": "metadata.obtainedAt",
    "held": "metadata.held",
}

_COLUMNS_OF = {
    RecordKind.SCHOOLS: _ORG_COLUMNS,
    RecordKind.SUBJECTS: _COURSE_COLUMNS,
    RecordKind.PERIODS: _SESSION_COLUMNS,
    RecordKind.PEOPLE: _USER_COLUMNS,
    RecordKind.GROUPS: _CLASS_COLUMNS,
    RecordKind.MEMBERS: _ENROLLMENT_COLUMNS,
    RecordKind.REPRESENTATIVES: _AGENT_COLUMNS,
}


def columns_of(kinds: Sequence[RecordKind]) -> dict[str, str]:
    """The columns of OneRoster for the fields of our records."""
    return _COLUMNS_OF.get(kinds[0], _RESULT_COLUMNS) if kinds else {}
