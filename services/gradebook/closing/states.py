"""The states of a closing and of a deferral as tables for the documentation, which is made from the code."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from services.gradebook.closing.deferrals import DEFERRAL_TRANSITIONS, DeferralState
from services.gradebook.closing.domain import CLOSING_TRANSITIONS, ClosingState

S = TypeVar("S", bound=StrEnum)


def _table(states: type[S], transitions: Mapping[tuple[S, S], str]) -> list[str]:
    lines = ["| from | to | when |", "|---|---|---|"]
    lines += [f"| `{before}` | `{after}` | {why} |" for (before, after), why in transitions.items()]
    final = [state for state in states if all(before is not state for before, _ in transitions)]
    return [*lines, *(["", f"Final: {', '.join(f'`{state}`' for state in final)}."] if final else [])]


def transition_tables() -> str:
    """Both tables as Markdown."""
    return "\n".join(
        [
            "## States of a closing",
            "",
            "One for each class and period; a school's period is closed when each of its classes is.",
            "",
            *_table(ClosingState, CLOSING_TRANSITIONS),
            "",
            "## States of a deferral",
            "",
            *_table(DeferralState, DEFERRAL_TRANSITIONS),
            "",
        ]
    )
