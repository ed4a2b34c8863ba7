"""Names of results. Pure.

Marks, final grades and exam results are numbered apart in the journal and are one collection here. A kind and a colon
before a journal's id say which of them is meant; one such beginning belongs to the name, and all that follows is the
journal's id, whatever it looks like. So a result whose own id begins like that is always told with its kind, and no
name means two things.
"""

from typing import NamedTuple

RESULT_KINDS = ("mark", "final_grade", "exam_result")


class ResultName(NamedTuple):
    """What a name of a result says."""

    own_id: str
    """The journal's id."""
    kind: str | None = None
    """None: whichever kind has a result of that id."""


def parse(sourced_id: str) -> ResultName:
    """What a client means by a name."""
    kind, colon, own_id = sourced_id.partition(":")
    return ResultName(own_id, kind) if colon and own_id and kind in RESULT_KINDS else ResultName(sourced_id)


def told_sql(kind: str, column: str) -> str:
    """The name under which results of a kind are told, as an SQL expression over the column with the journal's id.

    What `parse` would take for something else gets the kind before it. That an id is used by several kinds is another
    reason for it, which only the looking up of other results shows.
    """
    begins = "|".join(RESULT_KINDS)
    return f"CASE WHEN {column} ~ '^({begins}):.' THEN '{kind}:' || {column} ELSE {column} END"
