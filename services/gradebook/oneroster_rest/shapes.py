"""Rows of the collections' queries as OneRoster's objects. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from services.gradebook import oneroster_model as model
from services.gradebook.oneroster_model import Ref

ROSTERING = "/ims/oneroster/rostering/v1p2"
GRADEBOOK = "/ims/oneroster/gradebook/v1p2"

Row = Mapping[str, Any]

_PLACES = {
    "org": f"{ROSTERING}/orgs",
    "academicSession": f"{ROSTERING}/academicSessions",
    "course": f"{ROSTERING}/courses",
    "class": f"{ROSTERING}/classes",
    "user": f"{ROSTERING}/users",
    "student": f"{ROSTERING}/students",
    "category": f"{GRADEBOOK}/categories",
    "lineItem": f"{GRADEBOOK}/lineItems",
    "scoreScale": f"{GRADEBOOK}/scoreScales",
}


class Shapes:
    """Makes objects whose references lead back to this service."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    def ref(self, kind: str, sourced_id: str) -> Ref:
        """A reference."""
        return Ref(
            href=f"{self._base_url}{_PLACES[kind]}/{quote(sourced_id, safe='')}", sourced_id=sourced_id, type=kind
        )

    def ref_or_none(self, kind: str, sourced_id: str | None) -> Ref | None:
        """A reference, where there is something to refer to."""
        return None if sourced_id is None else self.ref(kind, sourced_id)

    def refs(self, kind: str, sourced_ids: Sequence[str]) -> list[Ref]:
        """References."""
        return [self.ref(kind, sourced_id) for sourced_id in sourced_ids]

    def org(self, row: Row) -> model.Org:
        """A school or the district."""
        school = row["type"] == "school"
        return model.Org(
            **_base(row, {"address": row["address"], "timeZone": row["time_zone"]} if school else None),
            name=row["name"],
            type=row["type"],
            parent=self.ref_or_none("org", row["parent"]),
        )

    def session(self, row: Row) -> model.AcademicSession:
        """A reporting period."""
        told = {"schoolSourcedId": row["school"], "kind": row["kind"], "number": row["number"]}
        return model.AcademicSession(
            **_base(row, told),
            title=row["title"],
            start_date=row["starts_on"],
            end_date=row["ends_on"],
            type=row["type"],
            school_year=row["school_year"],
            parent=self.ref_or_none("academicSession", row["parent"]),
            children=self.refs("academicSession", row["children"]) or None,
        )

    def course(self, row: Row) -> model.Course:
        """A subject."""
        return model.Course(**_base(row), title=row["title"], org=self.ref("org", row["org"]))

    def school_class(self, row: Row) -> model.Class:
        """A group."""
        return model.Class(
            **_base(row, {"kind": row["kind"]}),
            title=row["title"],
            class_type=row["class_type"],
            grades=row["grades"],
            subjects=row["subjects"],
            course=self.ref("course", row["course"]),
            school=self.ref("org", row["school"]),
            terms=self.refs("academicSession", row["terms"]),
        )

    def user(self, row: Row) -> model.User:
        """A person."""
        return model.User(
            **_base(row),
            enabled_user=row["enabled"],
            given_name=row["given"],
            family_name=row["family"],
            middle_name=row["patronymic"],
            roles=[
                model.Role(
                    role_type="secondary" if place else "primary",
                    role=stated["role"],
                    org=self.ref("org", stated["school"]),
                )
                for place, stated in enumerate(row["stated"])
            ],
            primary_org=self.ref_or_none("org", row["primary_org"]),
            agents=self.refs("user", row["agents"]) or None,
            grades=row["grades"] or None,
        )

    def demographics(self, row: Row) -> model.Demographics:
        """A birth date."""
        return model.Demographics(**_base(row), birth_date=row["birth_date"])

    def enrollment(self, row: Row) -> model.Enrollment:
        """A membership, or teaching."""
        return model.Enrollment(
            **_base(row, {"subjectSourcedId": row["subject"]} if row["subject"] else None),
            user=self.ref("user", row["person"]),
            class_=self.ref("class", row["class"]),
            school=self.ref("org", row["school"]),
            role=row["role"],
            primary=row["main"],
            begin_date=row["starts_on"],
            end_date=row["ends_on"],
        )

    def category(self, row: Row) -> model.Category:
        """A work type, the final grade, or an exam's kind."""
        return model.Category(**_base(row, {"meaning": row["meaning"]}), title=row["title"])

    def scale(self, row: Row) -> model.ScoreScale:
        """A scale."""
        values = model.SCALES[row["sourced_id"]][1]
        return model.ScoreScale(
            **_base(row),
            title=row["title"],
            type=row["type"],
            score_scale_value=[model.ScaleValue(item_value_lhs=left, item_value_rhs=right) for left, right in values],
        )

    def line_item(self, row: Row) -> model.LineItem:
        """A column."""
        return model.LineItem(
            **_base(row, {"subjectSourcedId": row["subject"], "weight": float(row["weight"])}),
            title=row["title"],
            description=row["description"],
            assign_date=row["assigned_on"],
            due_date=row["due_on"],
            class_=self.ref_or_none("class", row["class"]),
            school=self.ref("org", row["school"]),
            category=self.ref("category", row["category"]),
            grading_period=self.ref_or_none("academicSession", row["period"]),
            score_scale=self.ref("scoreScale", scale_of(row["category"])),
            result_value_max=None if row["max_score"] is None else float(row["max_score"]),
        )

    def result(self, row: Row) -> model.ResultObject:
        """A result."""
        told: dict[str, Any] = {"kind": row["kind"], "subjectSourcedId": row["subject"]}
        if row["kind"] != "mark":
            told["obtainedAt"] = model.instant(row["obtained_at"])
        if row["kind"] == "final_grade":
            told["held"] = row["held"]
        if row["deferred_until"] is not None:
            told["deferredUntil"] = row["deferred_until"].isoformat()
        return model.ResultObject(
            **_base(row, told),
            line_item=self.ref("lineItem", row["line_item"]),
            student=self.ref("student", row["student"]),
            class_=self.ref_or_none("class", row["class"]),
            score_scale=self.ref("scoreScale", scale_of(row["category"])),
            score_status=row["score_status"],
            score=None if row["score"] is None else float(row["score"]),
            text_score=row["text_score"],
            score_date=row["score_date"],
            comment=row["comment"],
        )


def scale_of(category: str) -> str:
    """The scale in which results of a category are given."""
    return "sutki.marks" if category not in (model.FINAL_GRADE, *model.EXAM_KINDS) else "sutki.final-grades"


def _base(row: Row, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "sourced_id": row["sourced_id"],
        "status": row["status"],
        "date_last_modified": model.instant(row["changed_at"]),
        "metadata": metadata,
    }
