"""What a OneRoster export calls things that have no id in the journal, and how it says roles and values."""

from hashlib import blake2b
from typing import Any

from services.gradebook.exchange.exporting import cell

FINAL = "final_grade"
_ROLES = {"parent": "parent", "guardian": "guardian", "other": "relative"}


def item_id(*parts: object) -> str:
    """An id of what has none in the journal: the same for the same parts, whatever characters and length these have."""
    return blake2b("\x1f".join(map(cell, parts)).encode(), digest_size=16).hexdigest()


def journal_class(school: str) -> str:
    """The class that stands for a school's journal."""
    return item_id("journal", school)


def roles_of(user: Any) -> list[tuple[str, str]]:
    """(role, school) in the standard's words, the main one first."""
    adult = _ROLES[user["kinds"][0]] if user["kinds"] else "parent"
    return [
        (adult if role == "representative" else role, school)
        for role, school in zip(user["roles"], user["schools"], strict=True)
    ]


def split_value(value: str | None) -> tuple[object, object]:
    """Points, or what cannot be said in points."""
    return (value, None) if value is None or value.isdigit() else (None, value)


def mark_item(row: Any) -> str:
    """The line item of a mark."""
    parts = (row["school_id"], row["group_id"], row["subject_id"], row["lesson_on"], row["work_type"], row["weight"])
    return item_id("mark", *parts)


def grade_item(row: Any) -> str:
    """The line item of a final grade."""
    return item_id(FINAL, row["school_id"], row["subject_id"], row["period_id"])


def exam_item(row: Any) -> str:
    """The line item of an exam result."""
    parts = (row["kind"], row["school_id"], row["subject_id"], row["title"], row["max_score"], row["obtained_on"])
    return item_id(*parts)
