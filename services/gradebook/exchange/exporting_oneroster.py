"""The export as OneRoster 1.1 or 1.2 CSV, bulk or delta, with the gradebook files.

The standard cuts the journal otherwise: a result belongs to a line item, this to a class and a category. A line item is
made for each group, subject, day, work type and weight; final grades, exams and marks without a group belong to one
class of the school that stands for its journal, with a course of its own. What the standard has no column for stands
in `metadata.…`, so that the import makes the very same records of it. Kinds of record that the standard does not know
(timetable, lessons, homework, attendance …) are in the plain export only. Who teaches is an enrollment.
"""

from collections.abc import Iterable
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from chassis.database import Database
from services.gradebook.exchange import exporting_oneroster_queries as queries
from services.gradebook.exchange.exporting import (
    Exported,
    Progress,
    Snapshot,
    Target,
    Wanted,
    cell,
    snapshot,
    target_at,
)
from services.gradebook.exchange.exporting_oneroster_files import PackFile, PackFiles, Row
from services.gradebook.exchange.oneroster_ids import exam_item, grade_item, item_id, journal_of, mark_item
from services.gradebook.exchange.oneroster_index import EXAMS, FINAL_GRADE
from services.gradebook.exchange.oneroster_schema import DATA_FILES, MANIFEST, ONLY_1_2, Version
from services.gradebook.records import RecordKind

JOURNAL_COURSE = "journal"
"""The course of homerooms, and of the class that stands for a school's journal; no subject of the journal."""
NO_GROUP = "none"
"""`metadata.kind` of the class that stands for a school's journal; no group."""

_SESSION_TYPES = {"year": "schoolYear", "half_year": "semester", "quarter": "gradingPeriod"}
_TITLES = {"year": "Учебный год", "half_year": "Полугодие", "quarter": "Четверть"}
_ROLES = {"parent": "parent", "guardian": "guardian", "other": "relative"}
_FINEST_FIRST = ("quarter", "half_year", "year")
_MARK_MAX = 5
_LARGEST_SCORE = 100_000
_SCALE = "{1:1},{2:2},{3:3},{4:4},{5:5}"


async def export_oneroster(
    database: Database, path: Path, wanted: Wanted, version: Version, progress: Progress | None = None
) -> Exported:
    """Writes a OneRoster pack; a delta when only changes are wanted.

    Args:
        database: the gradebook's.
        path: an archive when it ends in .zip, otherwise a folder.
        wanted: what to write.
        version: of the standard.
        progress: told after each file and now and then within.
    """
    async with snapshot(database, wanted) as journal, target_at(path) as target:
        export = _Export(journal, target, version, progress)
        return await export.write()


class _Export:
    """One pack in the making."""

    def __init__(self, journal: Snapshot, target: Target, version: Version, progress: Progress | None) -> None:
        self._files = PackFiles(target, progress)
        self._journal = journal
        self._version = version
        self._new = version == "1.2"
        self._delta = journal.wanted.since is not None
        self._changed_at = ""
        self._schools: dict[str, Any] = {}
        self._periods: dict[str, list[Any]] = {}
        self._groups: dict[str, tuple[str, str]] = {}
        """School and course of each group."""

    async def write(self) -> Exported:
        """All files. What others refer to comes whole in a delta too, so that its reader finds it there."""
        async for row in self._journal.rows(queries.NOW):
            self._changed_at = cell(row["at"])
        everything = Wanted(self._journal.wanted.source, self._journal.wanted.school_id)
        whole = self._journal.with_wanted(everything)
        self._manifest()
        async for school in whole.records(RecordKind.SCHOOLS):
            self._schools[school["school_id"]] = school
        async for period in whole.records(RecordKind.PERIODS):
            self._periods.setdefault(period["school_id"], []).append(period)
        self._orgs()
        self._sessions()
        await self._courses(whole)
        await self._classes(whole)
        await self._users()
        await self._enrollments()
        await self._line_items()
        await self._results()
        return self._files.exported

    def _row(self, sourced_id: str, *values: object, state: str = "active") -> Row:
        """A row; a bulk file has neither status nor time."""
        if not self._delta:
            return (sourced_id, "", "", *values)
        return (sourced_id, "active" if state == "active" else "tobedeleted", self._changed_at, *values)

    def _sheet(self, name: str, columns: str) -> PackFile:
        return self._files.file(name, f"sourcedId,status,dateLastModified,{columns}".split(","))

    def _write(self, name: str, columns: str, rows: Iterable[Row]) -> None:
        with self._sheet(name, columns) as sheet:
            for row in rows:
                sheet.add(row)

    def _manifest(self) -> None:
        written = {
            "orgs.csv", "academicSessions.csv", "courses.csv", "classes.csv", "users.csv", "demographics.csv",
            "enrollments.csv", "categories.csv", "lineItems.csv", "results.csv",
            *(("roles.csv", "scoreScales.csv") if self._new else ()),
        }  # fmt: skip
        mode = "delta" if self._delta else "bulk"
        with self._files.file(MANIFEST, ("propertyName", "value")) as sheet:
            sheet.add(("manifest.version", "1.0"))
            sheet.add(("oneroster.version", self._version))
            for name in sorted(DATA_FILES):
                if self._new or name not in ONLY_1_2:
                    sheet.add((f"file.{name.removesuffix('.csv')}", mode if name in written else "absent"))
            sheet.add(("source.systemName", "Sutki"))
            sheet.add(("source.systemCode", self._journal.wanted.source))

    @property
    def _district(self) -> str:
        return f"district.{self._journal.wanted.source}"

    def _orgs(self) -> None:
        rows = [self._row(self._district, "Район", "district", "", "", "", "")]
        rows += [
            self._row(name, school["name"], "school", "", self._district, school["address"], school["time_zone"])
            for name, school in self._schools.items()
        ]
        self._write("orgs.csv", "name,type,identifier,parentSourcedId,metadata.address,metadata.timeZone", rows)

    def _sessions(self) -> None:
        rows = [
            self._row(
                period["period_id"],
                f"{_TITLES.get(period['kind'], period['kind'])} {period['number']}, {period['school_year']}",
                _SESSION_TYPES.get(period["kind"], "term"),
                period["starts_on"],
                period["ends_on"],
                self._year_above(period),
                period["school_year"].split("/")[1],
                period["number"],
                school,
                period["kind"],
            )
            for school, periods in self._periods.items()
            for period in periods
        ]
        columns = "title,type,startDate,endDate,parentSourcedId,schoolYear"
        own = "metadata.number,metadata.schoolSourcedId,metadata.kind"
        self._write("academicSessions.csv", f"{columns},{own}", rows)

    def _year_above(self, period: Any) -> str:
        same = (
            other["period_id"]
            for other in self._periods[period["school_id"]]
            if other["kind"] == "year" and other["school_year"] == period["school_year"]
        )
        return "" if period["kind"] == "year" else next(same, "")

    async def _courses(self, whole: Snapshot) -> None:
        with self._sheet(
            "courses.csv",
            "schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes,metadata.kind",
        ) as sheet:
            sheet.add(self._row(self._journal_course, "", "Журнал", "", "", self._district, "", "", "class"))
            async for subject in whole.records(RecordKind.SUBJECTS):
                sheet.add(self._row(subject["subject_id"], "", subject["title"], "", "", self._district, "", "", ""))

    @property
    def _journal_course(self) -> str:
        return f"{JOURNAL_COURSE}.{self._journal.wanted.source}"

    async def _classes(self, whole: Snapshot) -> None:
        columns = (
            "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,"
            "subjectCodes,periods,metadata.kind,metadata.campusSourcedId"
        )
        with self._sheet("classes.csv", columns) as sheet:
            for school in self._schools:
                sheet.add(
                    self._row(
                        journal_of(school), "Журнал школы", "", self._journal_course, "", "scheduled", "", school,
                        self._terms(school), "", "", "", NO_GROUP, "",
                    )
                )  # fmt: skip
            async for group in whole.records(RecordKind.GROUPS):
                self._groups[group["group_id"]] = (group["school_id"], group["subject_id"] or self._journal_course)
                sheet.add(self._class(group))
            if self._delta:
                async for group in self._journal.records(RecordKind.GROUPS):
                    if group["state"] != "active":
                        sheet.add(self._class(group))

    def _class(self, group: Any) -> Row:
        school, kind = group["school_id"], group["kind"]
        return self._row(
            group["group_id"],
            group["name"],
            f"{group['grade_level']:02d}",
            group["subject_id"] or self._journal_course,
            "",
            "homeroom" if kind == "class" else "scheduled",
            "",
            school,
            self._terms(school),
            "",
            "",
            "",
            kind,
            group["campus_id"],
            state=group["state"],
        )

    def _terms(self, school: str) -> str:
        periods = self._periods.get(school, ())
        years = [period["period_id"] for period in periods if period["kind"] == "year"]
        return ",".join(years or [period["period_id"] for period in periods])

    async def _users(self) -> None:
        ties = "agentSourcedIds,grades,password"
        columns = (
            f"enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,{ties},"
            "userMasterIdentifier,primaryOrgSourcedId,metadata.agentKinds"
            if self._new
            else "enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,"
            f"phone,{ties},metadata.furtherRoles,metadata.agentKinds"
        )
        # Read once more for each of the files, rather than kept: a region has millions of people.
        with self._sheet("users.csv", columns) as sheet:
            async for user in self._journal.rows(queries.USERS):
                sheet.add(self._user(user))
        with self._sheet("demographics.csv", "birthDate") as sheet:
            async for user in self._journal.rows(queries.USERS):
                if user["birth_date"] is not None:
                    sheet.add(self._row(user["person_id"], user["birth_date"], state=user["state"]))
        if self._new:
            await self._roles()

    def _user(self, user: Any) -> Row:
        person, roles = user["person_id"], _roles_of(user)
        name = ("", user["given"], user["family"], user["patronymic"], "", "", "", "")
        agents = ",".join(user["agents"])
        kinds = ",".join(user["kinds"])
        if self._new:
            own: Row = (True, person, *name, agents, "", "", "", roles[0][1], kinds)
        else:
            main = roles[0][0]
            orgs = ",".join(school for role, school in roles if role == main)
            further = ",".join(f"{role}@{school}" for role, school in roles if role != main)
            own = (True, orgs, main, person, *name, agents, "", "", further, kinds)
        return self._row(person, *own, state=user["state"])

    async def _roles(self) -> None:
        columns = "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId"
        with self._sheet("roles.csv", columns) as sheet:
            async for user in self._journal.rows(queries.USERS):
                person = user["person_id"]
                for place, (role, school) in enumerate(_roles_of(user)):
                    row = (person, "secondary" if place else "primary", role, "", "", school, "")
                    sheet.add(self._row(item_id(person, role, school), *row))

    async def _enrollments(self) -> None:
        columns = "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate"
        columns += ",metadata.teachingRole,metadata.subjectSourcedId,metadata.authorSourcedId"
        with self._sheet("enrollments.csv", columns) as sheet:
            async for member in self._journal.records(RecordKind.MEMBERS):
                group, person = member["group_id"], member["person_id"]
                if group in self._groups:
                    row = (group, self._groups[group][0], person, "student", "", member["joined_on"], member["left_on"])
                    sheet.add(self._row(item_id("student", group, person), *row, "", "", "", state=member["state"]))
            # Each under its own id, as over HTTP: whoever teaches a class two subjects is enrolled in it twice.
            async for lead in self._journal.records(RecordKind.TEACHING):
                group, main = lead["group_id"], lead["role"] == "class_teacher"
                if group in self._groups:
                    who = (group, self._groups[group][0], lead["teacher_id"], "teacher", main)
                    own = (lead["role"], lead["subject_id"], lead["author_id"])
                    days = (lead["starts_on"], lead["ends_on"])
                    sheet.add(self._row(lead["teaching_id"], *who, *days, *own, state=lead["state"]))

    async def _line_items(self) -> None:
        weights = [row async for row in self._journal.rows(queries.CATEGORIES)]
        rows = [self._row(item_id(row["work_type"], row["weight"]), row["work_type"], row["weight"]) for row in weights]
        rows += [self._row(item_id(title), title, "") for title in (FINAL_GRADE, *EXAMS)]
        self._write("categories.csv", "title,metadata.weight", rows)
        period = "academicSessionSourcedId" if self._new else "gradingPeriodSourcedId"
        columns = f"title,description,assignDate,dueDate,classSourcedId,categorySourcedId,{period},resultValueMin"
        columns += f",resultValueMax{',schoolSourcedId' if self._new else ''}"
        columns += ",metadata.subjectSourcedId,metadata.groupSourcedId,metadata.noMaximum"
        with self._sheet("lineItems.csv", columns) as sheet:
            async for row in self._journal.rows(queries.MARK_ITEMS):
                category, day = item_id(row["work_type"], row["weight"]), row["lesson_on"]
                sheet.add(self._item(mark_item(row), row, category, title="Работа", day=day, top=_MARK_MAX))
            async for row in self._journal.rows(queries.GRADE_ITEMS):
                title, day = "Итоговая отметка", row["ends_on"]
                sheet.add(self._item(grade_item(row), row, item_id(FINAL_GRADE), title=title, day=day, top=_MARK_MAX))
            async for row in self._journal.rows(queries.EXAM_ITEMS):
                title, day, top = row["title"], row["obtained_on"], row["max_score"]
                sheet.add(self._item(exam_item(row), row, item_id(row["kind"]), title=title, day=day, top=top))

    def _item(self, key: str, row: Any, category: str, *, title: str, day: date, top: object) -> Row:
        group, school = row.get("group_id"), row["school_id"]
        place = self._place(row)
        period = row.get("period_id") or self._period_on(school, day)
        own = (school,) if self._new else ()
        # 1.1 wants a maximum where there is none.
        unbounded = top is None and not self._new
        top = _LARGEST_SCORE if unbounded else top
        further = (row["subject_id"], group if group != place else "", unbounded or "")
        return self._row(key, title, "", day, day, place, category, period, 0, top, *own, *further)

    def _place(self, row: Any) -> str:
        """The class that a result belongs to: its group when this is still there, otherwise the school's journal."""
        group = row.get("group_id")
        return group if group in self._groups else journal_of(row["school_id"])

    def _period_on(self, school: str, day: date) -> str:
        """The finest period with that day; otherwise any of the school's, since the standard wants one."""
        periods = self._periods.get(school, [])
        holding = (
            period["period_id"]
            for kind in _FINEST_FIRST
            for period in periods
            if period["kind"] == kind and period["starts_on"] <= day <= period["ends_on"]
        )
        return next(chain(holding, (period["period_id"] for period in periods)), "")

    async def _results(self) -> None:
        columns = "lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment"
        columns += ",textScore,classSourcedId" if self._new else ""
        columns += ",metadata.value,metadata.obtainedAt,metadata.held,metadata.lessonSourcedId"
        columns += ",metadata.authorSourcedId,metadata.reason"
        with self._sheet("results.csv", columns) as sheet:
            async for row in self._journal.rows(queries.MARKS):
                own = ("", "", row["lesson_id"], row["author_id"], row["reason"])
                sheet.add(self._result(row, mark_item(row), row["lesson_on"], _split(row["value"]), own))
            async for row in self._journal.rows(queries.GRADES):
                own = (row["obtained_at"], row["held"], "", "", "")
                sheet.add(self._result(row, grade_item(row), row["obtained_on"], _split(row["value"]), own))
            async for row in self._journal.rows(queries.EXAMS):
                own = (row["obtained_at"], "", "", "", "")
                value = (row["score"], row["grade"])
                sheet.add(self._result(row, exam_item(row), row["obtained_on"], value, own))
        if self._new:
            rows = [
                self._row(item_id("scale", school), "Пятибалльная", "numeric", school, "", journal_of(school), _SCALE)
                for school in self._schools
            ]
            self._write(
                "scoreScales.csv", "title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue", rows
            )

    def _result(self, row: Any, item: str, day: date, value: tuple[object, object], own: Row) -> Row:
        """A result.

        Args:
            row: what it is of.
            item: its line item.
            day: when it was given.
            value: points, and what cannot be said in points.
            own: what the standard has no column for, but for the value.
        """
        points, text = value
        new = (text, self._place(row)) if self._new else ()
        return self._row(
            row["result_id"],
            item,
            row["student_id"],
            "fully graded",
            points,
            day,
            row.get("comment"),
            *new,
            text,
            *own,
            state=row["state"],
        )


def _roles_of(user: Any) -> list[tuple[str, str]]:
    """(role, school) in the standard's words, the main one first."""
    adult = _ROLES[user["kinds"][0]] if user["kinds"] else "parent"
    return [
        (adult if role == "representative" else role, school)
        for role, school in zip(user["roles"], user["schools"], strict=True)
    ]


def _split(value: str | None) -> tuple[object, object]:
    return (value, None) if value is None or value.isdigit() else (None, value)
