"""The tables of states: complete, printed from the code, and the only changes there are."""

import itertools
import re
from pathlib import Path

import pytest

from services import publisher
from services.publisher.domain.states import (
    NOTIFICATION_TRANSITIONS,
    OBLIGATION_TRANSITIONS,
    ForbiddenTransition,
    NotificationState,
    ObligationState,
    check_notification,
    check_obligation,
    transition_tables,
)

MIGRATIONS = Path(publisher.__file__).parent / "migrations"
SQL = (MIGRATIONS / "0001_publisher.sql").read_text(encoding="utf-8")
NEWER_SQL = (MIGRATIONS / "0003_notifications.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize(("before", "after"), list(itertools.product(ObligationState, repeat=2)))
def test_an_obligation_changes_only_as_the_table_allows(before, after):
    if (before, after) in OBLIGATION_TRANSITIONS:
        check_obligation(before, after)
    else:
        with pytest.raises(ForbiddenTransition):
            check_obligation(before, after)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(NotificationState, repeat=2)))
def test_a_notification_changes_only_as_the_table_allows(before, after):
    if (before, after) in NOTIFICATION_TRANSITIONS:
        check_notification(before, after)
    else:
        with pytest.raises(ForbiddenTransition):
            check_notification(before, after)


def test_what_is_available_and_what_is_superseded_stays_so():
    final = set(ObligationState) - {before for before, _ in OBLIGATION_TRANSITIONS}
    assert final == {ObligationState.AVAILABLE, ObligationState.SUPERSEDED}


def test_nothing_is_sent_that_was_not_claimed():
    assert {before for before, after in NOTIFICATION_TRANSITIONS if after is NotificationState.SENT} == {
        NotificationState.CLAIMED,
        NotificationState.UNDECIDED,
    }


def test_what_is_undecided_is_never_claimed_by_itself():
    assert (NotificationState.UNDECIDED, NotificationState.CLAIMED) not in NOTIFICATION_TRANSITIONS


def test_the_printed_table_has_every_transition_and_says_why():
    text = transition_tables()
    for transitions in (OBLIGATION_TRANSITIONS, NOTIFICATION_TRANSITIONS):
        for (before, after), why in transitions.items():
            assert f"| `{before}` | `{after}` | {why} |" in text


def test_the_database_lets_a_notification_change_only_as_the_table_allows():
    listed = re.search(r"<> ALL \(ARRAY\[([^\]]*)\]\)\) EXECUTE FUNCTION notifications_change_as_allowed", NEWER_SQL)
    assert listed is not None
    assert set(re.findall(r"'(\w+>\w+)'", listed[1])) == {
        f"{before}>{after}" for before, after in NOTIFICATION_TRANSITIONS
    }


@pytest.mark.parametrize(("table", "states"), [("obligations", ObligationState), ("notifications", NotificationState)])
def test_the_database_knows_the_same_states(table, states):
    definition = SQL[SQL.index(f"CREATE TABLE {table} (") :]
    listed = re.search(r"\n    state text NOT NULL[^\n]*CHECK \(state IN \(([^)]*)\)", definition)
    assert listed is not None
    assert set(re.findall(r"'(\w+)'", listed[1])) == {state.value for state in states}
