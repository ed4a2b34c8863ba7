"""Ids of what has none in the journal: line items, categories, enrollments, the class of a school's journal."""

from hashlib import blake2b
from typing import Any

from services.gradebook.exchange.exporting import cell
from services.gradebook.exchange.oneroster_index import FINAL_GRADE


def item_id(*parts: object) -> str:
    """An id of what has none in the journal: the same for the same parts, whatever characters and length these have."""
    return blake2b("\x1f".join(map(cell, parts)).encode(), digest_size=16).hexdigest()


def journal_of(school: str) -> str:
    """The class that stands for a school's journal."""
    return item_id("journal", school)


def mark_item(row: Any) -> str:
    """The line item of a mark: all of its group, subject, day, work type and weight."""
    parts = (row["school_id"], row["group_id"], row["subject_id"], row["lesson_on"], row["work_type"], row["weight"])
    return item_id("mark", *parts)


def grade_item(row: Any) -> str:
    """The line item of a final grade: all of its school, subject and period."""
    return item_id(FINAL_GRADE, row["school_id"], row["subject_id"], row["period_id"])


def exam_item(row: Any) -> str:
    """The line item of an exam result."""
    parts = (row["kind"], row["school_id"], row["subject_id"], row["title"], row["max_score"], row["obtained_on"])
    return item_id(*parts)
