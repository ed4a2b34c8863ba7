"""OneRoster 1.1 and 1.2 CSV, read into the same records as plain CSV. The package's text says what stands for what."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from services.gradebook.exchange.bundle import Bundle
from services.gradebook.exchange.oneroster_columns import (
    AGENT_COLUMNS,
    CLASS_COLUMNS,
    CLASSES,
    COURSE_COLUMNS,
    COURSES,
    ENROLLMENT_COLUMNS,
    ENROLLMENTS,
    ORG_COLUMNS,
    ORGS,
    RESULT_COLUMNS,
    RESULTS,
    SESSION_COLUMNS,
    SESSIONS,
    USER_COLUMNS,
    USERS,
    columns_of,
)
from services.gradebook.exchange.oneroster_ids import item_id
from services.gradebook.exchange.oneroster_index import (
    EXAMS,
    FINAL_GRADE,
    SCHOOL_YEARS,
    Index,
    LineItem,
    grade_text,
    instant_text,
)
from services.gradebook.exchange.oneroster_pack import Pack
from services.gradebook.exchange.oneroster_rows import rows_of
from services.gradebook.exchange.oneroster_schema import MANIFEST
from services.gradebook.exchange.plain import lines_of
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.source import Piece, Read, Step, make
from services.gradebook.exchange.table import Row
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
    TeachingRecord,
)
from services.gradebook.rejections import Code

_RESULTS_FILE = "results.csv"
_COMMENT_CHARS = 500
_NO_SUBJECT = "class"
"""`metadata.kind` of a course that only stands where the standard wants one."""
_NO_GROUP = "none"
"""`metadata.kind` of a class that only stands where the standard wants one."""
_KINDS_OF_GROUP = {"homeroom": "class", "scheduled": "study_group"}
_REPRESENTATIVES = {"parent": "parent", "guardian": "guardian", "relative": "other"}
_ROLES = {"student": "student", "teacher": "teacher", **dict.fromkeys(_REPRESENTATIVES, "representative")}

Convert = Callable[[Row, str], Iterator[Piece]]


class OneRoster:
    """A bundle of OneRoster files, bulk or delta."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._pack = Pack(bundle)
        self._index = Index(self._pack)

    def ignored(self) -> list[str]:
        """Files that the standard or the journal has beyond those that are read."""
        read = {step.file for step in self.steps()}
        return sorted(given for given in self._bundle.names().values() if given not in (*read, *self._pack.duplicates))

    def steps(self) -> Sequence[Step]:
        """The files in the order of dependence; users are read twice: as people, and for who represents whom."""
        index = self._index
        wanted: list[tuple[str, tuple[RecordKind, ...], Callable[[], Iterator[Piece]]]] = [
            (MANIFEST, (), self._manifest),
            ("orgs.csv", (RecordKind.SCHOOLS,), lambda: self._each("orgs.csv", ORGS, self._school)),
            ("courses.csv", (RecordKind.SUBJECTS,), lambda: self._each("courses.csv", COURSES, self._subject)),
            ("academicSessions.csv", (RecordKind.PERIODS,), self._periods),
            ("demographics.csv", (), index.load_demographics),
            ("roles.csv", (), index.load_roles),
            ("users.csv", (RecordKind.PEOPLE,), lambda: self._each("users.csv", USERS, self._people)),
            ("classes.csv", (RecordKind.GROUPS,), lambda: self._each("classes.csv", CLASSES, self._group)),
            (
                "enrollments.csv",
                (RecordKind.MEMBERS, RecordKind.TEACHING),
                lambda: self._each("enrollments.csv", ENROLLMENTS, self._enrolled),
            ),
            ("users.csv", (RecordKind.REPRESENTATIVES,), self._representatives),
            ("categories.csv", (), index.load_categories),
            ("lineItems.csv", (), index.load_line_items),
            (
                "results.csv",
                (RecordKind.MARKS, RecordKind.FINAL_GRADES, RecordKind.EXAM_RESULTS),
                lambda: self._each("results.csv", RESULTS, self._result),
            ),
        ]
        return [
            Step(
                self._given(name),
                kinds,
                lines_of(self._bundle, self._given(name)),
                pieces,
                columns_of(kinds),
                lessons_apart=True,
            )
            for name, kinds, pieces in wanted
            if name in self._pack.files or name == MANIFEST
        ]

    def _given(self, name: str) -> str:
        """The name of the file in the bundle."""
        return self._bundle.given_name(self._pack.files.get(name, name))

    def _manifest(self) -> Iterator[Piece]:
        """What the manifest promises must be there. A blank value promises nothing."""
        yield from self._pack.manifest.faults
        yield from self._pack.missing()
        for name in self._pack.duplicates:
            yield Rejection(name, None, "", Code.DUPLICATE_FILE)

    def _each(self, name: str, columns: tuple[set[str], set[str]], convert: Convert) -> Iterator[Piece]:
        """What becomes of the rows; an id counts once, like in the check: the first row that can be taken has it."""
        required, optional = columns
        file = self._given(name)
        seen: set[int] = set()
        for item in rows_of(self._pack, name, required, optional):
            if isinstance(item, Rejection):
                yield item
                continue
            key = hash(item.cells.get("sourcedid"))
            if key in seen:
                yield Rejection(file, item.line, "sourcedId", Code.DUPLICATE_ID)
                continue
            pieces = list(convert(item, file))
            # Records of results are told apart by this very id, wherever records are taken; a second set of a
            # million ids would be for nothing.
            if name != _RESULTS_FILE and "sourcedid" in item.cells and not _refused(pieces):
                seen.add(key)
            yield from pieces

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
        yield from make(SchoolRecord, fields, file=file, line=row.line, columns=ORG_COLUMNS)

    def _subject(self, row: Row, file: str) -> Iterator[Piece]:
        if _deleted(row.cells):
            yield Rejection(file, row.line, "status", Code.NOT_DELETABLE)
            return
        if row.cells.get("metadata.kind") == _NO_SUBJECT:
            self._index.add_journal_course(row.cells["sourcedid"])
            return
        fields = {"subject_id": row.cells["sourcedid"], "title": row.cells["title"]}
        yield from make(SubjectRecord, fields, file=file, line=row.line, columns=COURSE_COLUMNS)

    def _periods(self) -> Iterator[Piece]:
        sessions: list[tuple[Row, dict[str, str]]] = []
        yield from self._each("academicSessions.csv", SESSIONS, self._keep_session(sessions))
        file = self._given("academicSessions.csv")
        for row, fields in sessions:
            for period_id, school_id in self._index.periods_of_session(row.cells["sourcedid"]):
                yield from make(
                    PeriodRecord,
                    {**fields, "period_id": period_id, "school_id": school_id},
                    file=file,
                    line=row.line,
                    columns=SESSION_COLUMNS,
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
            yield from make(PersonRecord, fields, file=file, line=row.line, columns=USER_COLUMNS)

    def _representatives(self) -> Iterator[Piece]:
        seen: set[tuple[str, str]] = set()
        for item in self._each("users.csv", USERS, self._agents):
            # Faults of the rows themselves were reported when the people were read.
            if isinstance(item, Rejection) or item.record.key() in seen:
                continue
            seen.add((item.record.key()[0], item.record.key()[1]))
            yield item

    def _agents(self, row: Row, file: str) -> Iterator[Piece]:
        own = frozenset(role for role, _ in self._index.roles_of(row.cells))
        agents = split_list(row.cells.get("agentsourcedids", ""))
        kinds = dict(zip(agents, split_list(row.cells.get("metadata.agentkinds", "")), strict=False))
        for agent in agents:
            other = self._index.known_roles(agent)
            if "student" in own:
                adult, student, roles = agent, row.cells["sourcedid"], other
            elif "student" in other:
                adult, student, roles = row.cells["sourcedid"], agent, own
            else:
                continue
            by_role = (_REPRESENTATIVES[role] for role in _REPRESENTATIVES if role in roles)
            kind = kinds.get(agent) or next(by_role, "other")
            fields = {
                "representative_id": adult,
                "student_id": student,
                "kind": kind,
                "in_force": "true",
                "state": _state(row.cells),
            }
            yield from make(RepresentativeRecord, fields, file=file, line=row.line, columns=AGENT_COLUMNS)

    def _group(self, row: Row, file: str) -> Iterator[Piece]:
        cells = row.cells
        course = self._index.subject_of_course(cells["coursesourcedid"])
        kind = cells.get("metadata.kind") or _KINDS_OF_GROUP.get(cells["classtype"].lower(), "")
        self._index.add_class(cells["sourcedid"], course, cells["schoolsourcedid"], homeroom=kind == "class")
        if kind == _NO_GROUP:
            self._index.add_journal_class(cells["sourcedid"])
            return
        fields = {
            "group_id": cells["sourcedid"],
            "school_id": cells["schoolsourcedid"],
            "kind": kind,
            "name": cells["title"],
            "grade_level": next(iter(split_list(cells.get("grades", ""))), ""),
            # A homeroom needs a course in OneRoster, but a class as such learns no one subject.
            "subject_id": "" if kind == "class" else course,
            "campus_id": cells.get("metadata.campussourcedid", ""),
            "state": _state(cells),
        }
        yield from make(GroupRecord, fields, file=file, line=row.line, columns=CLASS_COLUMNS)

    def _enrolled(self, row: Row, file: str) -> Iterator[Piece]:
        role = row.cells["role"].lower()
        if role == "student":
            yield from self._member(row, file)
        elif role == "teacher":
            yield from self._teacher(row, file)

    def _teacher(self, row: Row, file: str) -> Iterator[Piece]:
        """Who teaches a class: a homeroom's is its class teacher unless `primary` is false, else of the course."""
        cells = row.cells
        group, role = cells["classsourcedid"], cells.get("metadata.teachingrole", "")
        if cells.get("sourcedid") == item_id("teacher", group, cells["usersourcedid"]):
            # Former exports had one row for all that somebody taught a group, which stood there under other ids.
            return
        subject = cells.get("metadata.subjectsourcedid", "")
        unsaid = not (role or subject)
        if unsaid and self._index.class_known(group):
            subject = self._index.subject_taught(group, main=cells.get("primary") != "false")
        fields = {
            "teaching_id": cells.get("sourcedid") or item_id("teaching", group, cells["usersourcedid"]),
            "teacher_id": cells["usersourcedid"],
            "group_id": group,
            "subject_id": subject,
            "role": role or ("subject_teacher" if subject else "class_teacher"),
            "starts_on": cells.get("begindate", ""),
            "ends_on": cells.get("enddate", ""),
            "author_id": cells.get("metadata.authorsourcedid", ""),
            "state": _state(cells),
        }
        alone = unsaid and not self._index.class_known(group)
        for piece in make(TeachingRecord, fields, file=file, line=row.line, columns=ENROLLMENT_COLUMNS):
            yield piece._replace(as_in_journal=True) if alone and isinstance(piece, Read) else piece

    def _member(self, row: Row, file: str) -> Iterator[Piece]:
        cells = row.cells
        fields = {
            "group_id": cells["classsourcedid"],
            "person_id": cells["usersourcedid"],
            "joined_on": cells.get("begindate", ""),
            "left_on": cells.get("enddate", ""),
            "state": _state(cells),
        }
        yield from make(MemberRecord, fields, file=file, line=row.line, columns=ENROLLMENT_COLUMNS)

    def _result(self, row: Row, file: str) -> Iterator[Piece]:
        item = self._index.line_item(row.cells["lineitemsourcedid"])
        if item is None:
            yield Rejection(file, row.line, "lineItemSourcedId", Code.ORPHAN_ROW)
            return
        model, fields = self._fields_of_result(row.cells, item)
        yield from make(model, fields, file=file, line=row.line, columns=RESULT_COLUMNS)

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
            "lesson_id": cells.get("metadata.lessonsourcedid", ""),
            "author_id": cells.get("metadata.authorsourcedid", ""),
            "comment": _comment(cells),
            "reason": cells.get("metadata.reason", ""),
        }


def _refused(pieces: Sequence[Piece]) -> bool:
    return bool(pieces) and not any(isinstance(piece, Read) for piece in pieces)


def split_list(text: str) -> list[str]:
    """A OneRoster list: values with commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _comment(cells: dict[str, str]) -> str:
    """What was said with a mark, as far as there is room for it: no mark is lost for a long word."""
    said = " ".join(cells.get("comment", "").split())
    return said if len(said) <= _COMMENT_CHARS else said[: _COMMENT_CHARS - 1] + "…"


def _deleted(cells: dict[str, str]) -> bool:
    return cells.get("status", "").lower() == "tobedeleted"


def _state(cells: dict[str, str]) -> str:
    return "withdrawn" if _deleted(cells) else "active"


def _session_fields(cells: dict[str, str]) -> dict[str, str]:
    year = cells["schoolyear"]
    kind = {"schoolyear": "year", "semester": "half_year", "term": "quarter", "gradingperiod": "quarter"}
    return {
        "kind": cells.get("metadata.kind") or kind.get(cells["type"].lower(), cells["type"]),
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
