"""The collections: what can be read, by which query, and which fields can be filtered and sorted by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from services.gradebook import oneroster_model as model
from services.gradebook.oneroster_rest import book_queries, roster_queries
from services.gradebook.oneroster_rest.compiling import Column
from services.gradebook.oneroster_rest.filters import Kind
from services.gradebook.oneroster_rest.shapes import Row, Shapes

_BASE = {
    "sourcedId": Column("sourced_id"),
    "status": Column("status"),
    "dateLastModified": Column("changed_at", Kind.INSTANT),
}


@dataclass(frozen=True)
class Collection:
    """Objects of one kind."""

    many: str
    """The property of an answer with several of them."""
    one: str
    """The property of an answer with one."""
    query: str
    shape: Callable[[Shapes, Row], BaseModel]
    model: type[BaseModel]
    fields: Mapping[str, Column]
    """By the path under which a filter and a sort name them."""
    key_type: str = "uuid"
    identity: str = ""
    """The kind of the journal's id that the key is made from; empty: the key is found by the id itself."""
    fixed: Mapping[str, str] | None = None
    """Keys of what the journal itself does not have, by what stands before the source in its id."""
    only: str = ""
    """A condition over the query that always holds."""

    @cached_property
    def names(self) -> frozenset[str]:
        """The fields that a client may select."""
        return frozenset(field.alias or name for name, field in self.model.model_fields.items())

    def sortable(self) -> dict[str, Column]:
        """The fields by which it can be sorted: those with one value."""
        return {path: column for path, column in self.fields.items() if not column.many}


def _fields(**more: Column) -> dict[str, Column]:
    return _BASE | more


def _of(path: str, column: Column) -> dict[str, Column]:
    return {path: column}


ORGS = Collection(
    "orgs",
    "org",
    roster_queries.ORGS,
    Shapes.org,
    model.Org,
    _fields(name=Column("name"), type=Column("type"))
    | _of("parent.sourcedId", Column("parent"))
    | _of("metadata.address", Column("address"))
    | _of("metadata.timeZone", Column("time_zone")),
    identity="school",
    fixed={model.DISTRICT_ORG: "00000000-0000-8000-8000-000000000001"},
)
SESSIONS = Collection(
    "academicSessions",
    "academicSession",
    roster_queries.SESSIONS,
    Shapes.session,
    model.AcademicSession,
    _fields(
        title=Column("title"),
        startDate=Column("starts_on", Kind.DAY),
        endDate=Column("ends_on", Kind.DAY),
        type=Column("type"),
        schoolYear=Column("school_year"),
    )
    | _of("parent.sourcedId", Column("parent"))
    | _of("children.sourcedId", Column("children", many=True))
    | _of("metadata.schoolSourcedId", Column("school")),
    identity="period",
)
COURSES = Collection(
    "courses",
    "course",
    roster_queries.COURSES,
    Shapes.course,
    model.Course,
    _fields(title=Column("title")) | _of("org.sourcedId", Column("org")),
    identity="subject",
    fixed={model.NO_SUBJECT: "00000000-0000-8000-8000-000000000002"},
)
CLASSES = Collection(
    "classes",
    "class",
    roster_queries.CLASSES,
    Shapes.school_class,
    model.Class,
    _fields(
        title=Column("title"),
        classType=Column("class_type"),
        grades=Column("grades", many=True),
        subjects=Column("subjects", many=True),
    )
    | _of("course.sourcedId", Column("course"))
    | _of("school.sourcedId", Column("school"))
    | _of("terms.sourcedId", Column("terms", many=True))
    | _of("metadata.kind", Column("kind")),
    identity="group",
)
USERS = Collection(
    "users",
    "user",
    roster_queries.USERS,
    Shapes.user,
    model.User,
    _fields(
        enabledUser=Column("enabled"),
        givenName=Column("given"),
        familyName=Column("family"),
        middleName=Column("patronymic"),
        grades=Column("grades", many=True),
    )
    | _of("roles.role", Column("roles", many=True))
    | _of("roles.org.sourcedId", Column("orgs", many=True))
    | _of("primaryOrg.sourcedId", Column("primary_org"))
    | _of("agents.sourcedId", Column("agents", many=True)),
    identity="person",
)
DEMOGRAPHICS = Collection(
    "demographics",
    "demographics",
    roster_queries.USERS,
    Shapes.demographics,
    model.Demographics,
    _fields(birthDate=Column("birth_date", Kind.DAY)),
    identity="person",
    only="t.birth_date IS NOT NULL",
)
ENROLLMENTS = Collection(
    "enrollments",
    "enrollment",
    roster_queries.ENROLLMENTS,
    Shapes.enrollment,
    model.Enrollment,
    _fields(
        role=Column("role"),
        primary=Column("main"),
        beginDate=Column("starts_on", Kind.DAY),
        endDate=Column("ends_on", Kind.DAY),
    )
    | _of("user.sourcedId", Column("person"))
    | _of("class.sourcedId", Column("class"))
    | _of("school.sourcedId", Column("school"))
    | _of("metadata.subjectSourcedId", Column("subject")),
    key_type="text",
)
CATEGORIES = Collection(
    "categories",
    "category",
    book_queries.CATEGORIES,
    Shapes.category,
    model.Category,
    _fields(title=Column("title")),
    key_type="text",
)
SCALES = Collection(
    "scoreScales",
    "scoreScale",
    book_queries.SCALES,
    Shapes.scale,
    model.ScoreScale,
    _fields(title=Column("title"), type=Column("type")),
    key_type="text",
)
LINE_ITEMS = Collection(
    "lineItems",
    "lineItem",
    book_queries.LINE_ITEMS,
    Shapes.line_item,
    model.LineItem,
    _fields(
        title=Column("title"),
        description=Column("description"),
        assignDate=Column("assigned_on", Kind.DAY),
        dueDate=Column("due_on", Kind.DAY),
        resultValueMax=Column("max_score", Kind.NUMBER),
    )
    | _of("class.sourcedId", Column("class"))
    | _of("school.sourcedId", Column("school"))
    | _of("category.sourcedId", Column("category"))
    | _of("gradingPeriod.sourcedId", Column("period"))
    | _of("metadata.subjectSourcedId", Column("subject"))
    | _of("metadata.weight", Column("weight", Kind.NUMBER)),
    key_type="text",
)
RESULTS = Collection(
    "results",
    "result",
    book_queries.RESULTS,
    Shapes.result,
    model.ResultObject,
    _fields(
        scoreStatus=Column("score_status"),
        score=Column("score", Kind.NUMBER),
        textScore=Column("text_score"),
        scoreDate=Column("score_date", Kind.DAY),
        comment=Column("comment"),
    )
    | _of("lineItem.sourcedId", Column("line_item"))
    | _of("student.sourcedId", Column("student"))
    | _of("class.sourcedId", Column("class"))
    | _of("metadata.kind", Column("kind"))
    | _of("metadata.subjectSourcedId", Column("subject"))
    | _of("metadata.obtainedAt", Column("obtained_at", Kind.INSTANT))
    | _of("metadata.held", Column("held", Kind.TRUTH)),
    identity="result",
)


def as_json(item: BaseModel) -> dict[str, Any]:
    """The object as it is sent: what is absent is left out."""
    return item.model_dump(mode="json", by_alias=True, exclude_none=True)
