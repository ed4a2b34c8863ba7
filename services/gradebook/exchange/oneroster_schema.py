"""The files of OneRoster 1.1 and 1.2 CSV: their columns, types, vocabularies and references.

After the tables of the CSV bindings: 1.1 (Final Release 1.1.1) and 1.2 (Final Release 1.2.1). `status` and
`dateLastModified` are columns of every file; they are needed in a delta and may be blank in a bulk file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, TypeAlias

from services.gradebook.exchange import oneroster_values as values
from services.gradebook.exchange.oneroster_values import Understand, anything, boolean, day, identifier, number, year

Version: TypeAlias = Literal["1.1", "1.2"]

MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Field:
    """A column."""

    name: str
    """As the standard spells it."""
    understand: Understand = anything
    required: bool = False
    refers_to: str = ""
    """The file in which the id that stands here must be found."""
    many: bool = False
    """A list with commas."""
    instead: tuple[str, ...] = ()
    """Columns (lower case) that may say it instead."""
    unless: tuple[str, frozenset[str]] | None = None
    """A column, and the values of it with which this one may be blank."""

    @property
    def key(self) -> str:
        """The name as columns are compared."""
        return self.name.lower()


@dataclass(frozen=True)
class FileSchema:
    """A file."""

    name: str
    """As the standard spells it, with `.csv`."""
    fields: tuple[Field, ...]
    spans: tuple[tuple[str, str], ...] = ()
    """Pairs of columns of which the second is never before the first."""
    uncut: frozenset[str] = frozenset()
    """Further columns whose loss would change the meaning of a row: a row must not end before them."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names that the column had in earlier versions, or that are met for it."""

    @property
    def columns(self) -> frozenset[str]:
        """All columns, in lower case."""
        return frozenset(field.key for field in self.fields)


_ORGS = "orgs.csv"
_SESSIONS = "academicSessions.csv"
_COURSES = "courses.csv"
_CLASSES = "classes.csv"
_USERS = "users.csv"
_PROFILES = "userProfiles.csv"
_RESOURCES = "resources.csv"
_CATEGORIES = "categories.csv"
_LINE_ITEMS = "lineItems.csv"
_RESULTS = "results.csv"
_SCALES = "scoreScales.csv"

_SESSION_TYPES = ("gradingPeriod", "semester", "schoolYear", "term")
_ORG_TYPES = ("department", "school", "district", "local", "state", "national")
_CLASS_TYPES = ("homeroom", "scheduled")
_ROLES_11 = ("administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher")
_ROLES_12 = (
    "aide", "counselor", "districtAdministrator", "guardian", "parent", "principal", "proctor", "relative",
    "siteAdministrator", "student", "systemAdministrator", "teacher",
)  # fmt: skip
_ENROLLED_12 = ("administrator", "proctor", "student", "teacher")
_SEXES = {"1.1": ("male", "female"), "1.2": ("male", "female", "unspecified", "other")}
_SCORE_STATUSES = ("exempt", "fully graded", "not submitted", "partially graded", "submitted")
_UNGRADED = frozenset({"exempt", "not submitted", "submitted"})
_RACES = (
    "americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican", "nativeHawaiianOrOtherPacificIslander", "white",
    "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity",
)  # fmt: skip

ONLY_1_2 = frozenset(
    {
        "lineItemLearningObjectiveIds.csv", "lineItemScoreScales.csv", "resultLearningObjectiveIds.csv",
        "resultScoreScales.csv", "roles.csv", _SCALES, _PROFILES, "userResources.csv",
    }
)  # fmt: skip
"""Files that 1.1 does not have."""

COLUMNS_ONLY_1_2 = {
    _USERS: frozenset({"usermasteridentifier", "primaryorgsourcedid", "preferredgivenname", "preferredfamilyname"}),
    _LINE_ITEMS: frozenset({"academicsessionsourcedid", "schoolsourcedid"}),
    _RESULTS: frozenset({"textscore", "classsourcedid"}),
}
"""Columns by which 1.2 is known when no version is given."""


def _text(name: str, *, required: bool = False) -> Field:
    return Field(name, required=required)


def _ref(name: str, to: str, *, required: bool = True, many: bool = False, instead: tuple[str, ...] = ()) -> Field:
    return Field(name, identifier, required, to, many, instead)


def _short_names(fields: tuple[Field, ...]) -> dict[str, str]:
    """References that must be there, by names that are met for them: `orgId` for orgSourcedId."""
    names: dict[str, str] = {}
    for spec in fields:
        stem, mark, _ = spec.key.partition("sourcedid")
        if spec.refers_to and spec.required and mark and stem:
            names |= dict.fromkeys((f"{stem}id", f"{stem}ids"), spec.key)
    return names


@cache
def schema_of(version: Version) -> dict[str, FileSchema]:
    """The files by name, in such an order that each refers only to itself and to those before it.

    Files that only 1.2 has are there for 1.1 too: a pack that brings them all the same is looked at in full.
    """
    build = _Build(version)
    files = (*build.rostering(), *build.people(), *build.resources(), *build.gradebook())
    return {file.name: file for file in files}


class _Build:
    """Puts the tables of one version together."""

    def __init__(self, version: Version) -> None:
        self._new = version == "1.2"
        self._version = version

    def _words(self, name: str, words: tuple[str, ...], *, required: bool = False, many: bool = False) -> Field:
        return Field(name, values.vocabulary(words, extensible=self._new), required, many=many)

    def _file(
        self,
        name: str,
        *fields: Field,
        spans: tuple[tuple[str, str], ...] = (),
        uncut: frozenset[str] = frozenset(),
        aliases: Mapping[str, str] | None = None,
    ) -> FileSchema:
        common = (
            Field("sourcedId", identifier, required=True),
            Field("status", values.vocabulary(("active", "tobedeleted"))),
            Field("dateLastModified", values.instant),
        )
        other = {"sourceid": "sourcedid", "parent": "parentsourcedid", **_short_names(fields), **(aliases or {})}
        return FileSchema(name, (*common, *fields), spans, uncut | {"status"}, other)

    def rostering(self) -> tuple[FileSchema, ...]:
        """Orgs, sessions, courses and classes."""
        return (
            self._file(
                _ORGS,
                _text("name", required=True),
                self._words("type", _ORG_TYPES, required=True),
                _text("identifier"),
                _ref("parentSourcedId", _ORGS, required=False),
            ),
            self._file(
                _SESSIONS,
                _text("title", required=True),
                self._words("type", _SESSION_TYPES, required=True),
                Field("startDate", day, required=True),
                Field("endDate", day, required=True),
                _ref("parentSourcedId", _SESSIONS, required=False),
                Field("schoolYear", year, required=True),
                spans=(("startdate", "enddate"),),
            ),
            self._file(
                _COURSES,
                _ref("schoolYearSourcedId", _SESSIONS, required=False),
                _text("title", required=True),
                *map(_text, ("courseCode", "grades", "subjects", "subjectCodes")),
                _ref("orgSourcedId", _ORGS),
                aliases={"schoolyearid": "schoolyearsourcedid"},
            ),
            self._file(
                _CLASSES,
                _text("title", required=True),
                # The standard wants a course of a homeroom too; most journals have none, and nothing hangs on it.
                Field("courseSourcedId", identifier, True, _COURSES, unless=("classtype", frozenset({"homeroom"}))),
                self._words("classType", _CLASS_TYPES, required=True),
                _ref("schoolSourcedId", _ORGS),
                _ref("termSourcedIds", _SESSIONS, many=True),
                *map(_text, ("grades", "classCode", "location", "subjects", "subjectCodes", "periods")),
                uncut=frozenset({"metadata.kind"}),
                aliases={"terms": "termsourcedids"},
            ),
        )

    def people(self) -> tuple[FileSchema, ...]:
        """Users and what is said of them."""
        return (
            self._users(),
            self._file(
                _PROFILES,
                _ref("userSourcedId", _USERS),
                *(_text(name, required=True) for name in ("profileType", "vendorId", "credentialType", "username")),
                *map(_text, ("applicationId", "description", "password")),
            ),
            self._file(
                "roles.csv",
                _ref("userSourcedId", _USERS),
                Field("roleType", values.vocabulary(("primary", "secondary")), required=True),
                # The file is of 1.2, wherever it is met.
                Field("role", values.vocabulary(_ROLES_12, extensible=True), required=True),
                Field("beginDate", day),
                Field("endDate", day),
                _ref("orgSourcedId", _ORGS),
                _ref("userProfileSourcedId", _PROFILES, required=False),
                spans=(("begindate", "enddate"),),
            ),
            self._file(
                "enrollments.csv",
                _ref("classSourcedId", _CLASSES),
                _ref("schoolSourcedId", _ORGS),
                _ref("userSourcedId", _USERS),
                self._words("role", _ENROLLED_12 if self._new else _ROLES_11, required=True),
                Field("primary", boolean),
                Field("beginDate", day),
                Field("endDate", day),
                spans=(("begindate", "enddate"),),
                uncut=frozenset({"metadata.teachingrole", "metadata.subjectsourcedid"}),
            ),
            self._demographics(),
        )

    def _users(self) -> FileSchema:
        own = (
            (_ref("primaryOrgSourcedId", _ORGS, required=False), _text("userMasterIdentifier"), _text("pronouns"))
            if self._new
            else (
                _ref("orgSourcedIds", _ORGS, many=True),
                self._words("role", _ROLES_11, required=True),
            )
        )
        return self._file(
            _USERS,
            Field("enabledUser", boolean, required=True),
            *own,
            *(_text(name, required=True) for name in ("username", "givenName", "familyName")),
            *map(_text, ("userIds", "middleName", "identifier", "email", "sms", "phone", "grades", "password")),
            *map(_text, ("preferredGivenName", "preferredMiddleName", "preferredFamilyName") if self._new else ()),
            _ref("agentSourcedIds", _USERS, required=False, many=True),
            aliases={"agents": "agentsourcedids", "userid": "userids"},
        )

    def _demographics(self) -> FileSchema:
        file = self._file(
            "demographics.csv",
            Field("birthDate", day),
            self._words("sex", _SEXES[self._version]),
            *(Field(name, boolean) for name in _RACES),
            *map(_text, ("countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth")),
            _text("publicSchoolResidenceStatus"),
            aliases={"usersourcedid": "sourcedid"},
        )
        # What is said here is said of the user of the same id.
        return FileSchema(
            file.name, (_ref("sourcedId", _USERS), *file.fields[1:]), file.spans, file.uncut, file.aliases
        )

    def resources(self) -> tuple[FileSchema, ...]:
        """Learning resources and who has them."""
        roles = ("administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher")
        return (
            self._file(
                _RESOURCES,
                _text("vendorResourceId", required=True),
                self._words("roles", roles, many=True),
                self._words("importance", ("primary", "secondary")),
                *map(_text, ("title", "vendorId", "applicationId")),
            ),
            self._file(
                "classResources.csv",
                _text("title"),
                _ref("classSourcedId", _CLASSES),
                _ref("resourceSourcedId", _RESOURCES),
            ),
            self._file(
                "courseResources.csv",
                _text("title"),
                _ref("courseSourcedId", _COURSES),
                _ref("resourceSourcedId", _RESOURCES),
            ),
            self._file(
                "userResources.csv",
                _ref("userSourcedId", _USERS),
                _ref("orgSourcedId", _ORGS, required=False),
                _ref("classSourcedId", _CLASSES, required=False),
                _ref("resourceSourcedId", _RESOURCES),
            ),
        )

    def gradebook(self) -> tuple[FileSchema, ...]:
        """Line items, results and what goes with them."""
        return (
            self._file(
                _CATEGORIES,
                _text("title", required=True),
                Field("weight", number),
                uncut=frozenset({"metadata.weight"}),
            ),
            self._line_items(),
            self._results(),
            self._file(
                _SCALES,
                _text("title", required=True),
                _text("type", required=True),
                _ref("orgSourcedId", _ORGS),
                _ref("courseSourcedId", _COURSES, required=False),
                _ref("classSourcedId", _CLASSES),
                _text("scoreScaleValue", required=True),
            ),
            self._objectives("lineItemLearningObjectiveIds.csv", "lineItemSourcedId", _LINE_ITEMS),
            self._scales("lineItemScoreScales.csv", "lineItemSourcedId", _LINE_ITEMS),
            self._objectives("resultLearningObjectiveIds.csv", "resultSourcedId", _RESULTS),
            self._scales("resultScoreScales.csv", "resultSourcedId", _RESULTS),
        )

    def _line_items(self) -> FileSchema:
        period, session = "gradingPeriodSourcedId", "academicSessionSourcedId"
        wanted, other = (session, period) if self._new else (period, session)
        return self._file(
            _LINE_ITEMS,
            _text("title", required=True),
            _text("description"),
            Field("assignDate", day, required=True),
            Field("dueDate", day, required=True),
            _ref("classSourcedId", _CLASSES),
            _ref("categorySourcedId", _CATEGORIES),
            _ref(wanted, _SESSIONS, instead=(other.lower(),)),
            _ref(other, _SESSIONS, required=False),
            Field("resultValueMin", number, required=not self._new),
            Field("resultValueMax", number, required=not self._new),
            *((_ref("schoolSourcedId", _ORGS),) if self._new else ()),
            uncut=frozenset({"metadata.subjectsourcedid", "metadata.groupsourcedid", "metadata.nomaximum"}),
        )

    def _results(self) -> FileSchema:
        # 1.1 wants points always. There are none before the work is graded, nor for what is no number at all.
        own = (
            (_ref("classSourcedId", _CLASSES, required=False), *(Field(name, boolean) for name in _STATES))
            if self._new
            else ()
        )
        return self._file(
            _RESULTS,
            _ref("lineItemSourcedId", _LINE_ITEMS),
            _ref("studentSourcedId", _USERS),
            self._words("scoreStatus", _SCORE_STATUSES, required=True),
            Field(
                "score",
                number,
                not self._new,
                instead=("textscore", "metadata.value"),
                unless=("scorestatus", _UNGRADED),
            ),
            Field("scoreDate", day, required=True),
            *map(_text, ("comment", "textScore")),
            *own,
            uncut=frozenset({"textscore", "metadata.value", "metadata.obtainedat", "metadata.held"}),
        )

    def _objectives(self, name: str, owner: str, file: str) -> FileSchema:
        scores = (Field("score", number), _text("textScore")) if file == _RESULTS else ()
        return self._file(
            name,
            _ref(owner, file),
            self._words("source", ("case", "unknown"), required=True),
            _text("learningObjectiveId", required=True),
            *scores,
        )

    def _scales(self, name: str, owner: str, file: str) -> FileSchema:
        return self._file(name, _text("title"), _ref(owner, file), _ref("scoreScaleSourcedId", _SCALES))


_STATES = ("inProgress", "incomplete", "late", "missing")

DATA_FILES = tuple(schema_of("1.2"))
"""The names of all files but the manifest, in the order of dependence."""
