"""The states of an obligation and of a notification, each with its allowed transitions in one table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar


class ObligationState(StrEnum):
    """Where an obligation stands. Being overdue is no state but a flag (`overdue_at`): an overdue one is still owed."""

    OPEN = "open"
    AVAILABLE = "available"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class NotificationState(StrEnum):
    """Where a notification stands. It is claimed, and that is committed, before anything is said to the mail server."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    RETRY = "retry"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNDECIDED = "undecided"


class ForbiddenTransition(ValueError):  # noqa: N818 - names the rule that was broken
    """A state was about to change in a way that the table does not allow."""


ObligationTransitions = Mapping[tuple[ObligationState, ObligationState], str]
NotificationTransitions = Mapping[tuple[NotificationState, NotificationState], str]

OBLIGATION_TRANSITIONS: Final[ObligationTransitions] = {
    (ObligationState.OPEN, ObligationState.AVAILABLE): (
        "the cabinet acknowledged that a read would show it, or the extract was printed and registered, "
        "or a representative was served for the student"
    ),
    (
        ObligationState.OPEN,
        ObligationState.SUPERSEDED,
    ): "the result was corrected; the new version has its own obligation",
    (ObligationState.OPEN, ObligationState.CANCELLED): (
        "the result was withdrawn, the recipient's authority ended, or the person was erased"
    ),
    (
        ObligationState.CANCELLED,
        ObligationState.OPEN,
    ): "the recipient's authority is in force again for the same version",
}
"""Every allowed change of an obligation's state, and what causes it. What is available stays available for ever."""

NOTIFICATION_TRANSITIONS: Final[NotificationTransitions] = {
    (
        NotificationState.QUEUED,
        NotificationState.CLAIMED,
    ): "a sender took it; committed before the first word to a server",
    (NotificationState.QUEUED, NotificationState.CANCELLED): "no consent in force, or nothing left to tell",
    (
        NotificationState.QUEUED,
        NotificationState.FAILED,
    ): "it could not be tried for too long: the next channel takes over",
    (NotificationState.RETRY, NotificationState.CLAIMED): "a sender took it again",
    (NotificationState.RETRY, NotificationState.CANCELLED): "no consent in force, or nothing left to tell",
    (NotificationState.RETRY, NotificationState.FAILED): "it kept failing for too long: the next channel takes over",
    (NotificationState.CLAIMED, NotificationState.SENT): "the mail server or the push service accepted it",
    (NotificationState.CLAIMED, NotificationState.RETRY): (
        "a temporary refusal, or no conversation took place; or a push may have arrived, and is repeated in its place"
    ),
    (NotificationState.CLAIMED, NotificationState.FAILED): "a permanent refusal, or too many attempts; listed",
    (NotificationState.CLAIMED, NotificationState.CANCELLED): "consent ended before the conversation began",
    (NotificationState.CLAIMED, NotificationState.UNDECIDED): (
        "the process or the connection was lost after the message may have been accepted; listed, never resent silently"
    ),
    (
        NotificationState.UNDECIDED,
        NotificationState.SENT,
    ): "its sender came back and knows that it was accepted, or an operator found out that it was",
    (NotificationState.UNDECIDED, NotificationState.FAILED): "its sender came back and knows that it was refused",
    (
        NotificationState.UNDECIDED,
        NotificationState.RETRY,
    ): "its sender came back and knows that nothing was sent, or an operator has it sent again",
    (NotificationState.UNDECIDED, NotificationState.CANCELLED): "its sender came back and knows that nothing was sent",
    (NotificationState.SENT, NotificationState.FAILED): "it came back: the recipient's server could not deliver it",
}
"""Every allowed change of a notification's state, and what causes it."""


def check_obligation(before: ObligationState, after: ObligationState) -> None:
    """Does nothing if an obligation may go from one state to the other.

    Raises:
        ForbiddenTransition: the table does not have it.
    """
    if (before, after) not in OBLIGATION_TRANSITIONS:
        raise ForbiddenTransition(f"an obligation cannot go from {before} to {after}")


def check_notification(before: NotificationState, after: NotificationState) -> None:
    """Does nothing if a notification may go from one state to the other.

    Raises:
        ForbiddenTransition: the table does not have it.
    """
    if (before, after) not in NOTIFICATION_TRANSITIONS:
        raise ForbiddenTransition(f"a notification cannot go from {before} to {after}")


S = TypeVar("S", bound=StrEnum)


def _table(states: type[S], transitions: Mapping[tuple[S, S], str]) -> list[str]:
    lines = ["| from | to | when |", "|---|---|---|"]
    lines += [f"| `{before}` | `{after}` | {why} |" for (before, after), why in transitions.items()]
    final = [state for state in states if all(before is not state for before, _ in transitions)]
    return [*lines, "", f"Final: {', '.join(f'`{state}`' for state in final)}."]


def transition_tables() -> str:
    """Both tables as Markdown, for the documentation: the code is the only place where they are written down."""
    return "\n".join(
        [
            "## States of an obligation",
            "",
            *_table(ObligationState, OBLIGATION_TRANSITIONS),
            "",
            "`overdue_at` is a flag beside the state: the 24 hours passed while the obligation was open.",
            "",
            "## States of a notification",
            "",
            *_table(NotificationState, NOTIFICATION_TRANSITIONS),
            "",
        ]
    )
