"""The state machine is run; and it is tested itself: each of the planted bugs must be caught.

`make model` runs 10,000 examples, an ordinary run of the tests some hundreds.
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from contracts.values import DISCLOSURE_TERM, Decision
from services.cabinet import domain as cabinet
from services.consent import domain as consent
from services.publisher.domain import corrections, deadlines, obligations, routes
from services.publisher.domain.deadlines import Late, Timers, timers
from services.publisher.domain.preferences import Channel
from services.publisher.domain.states import ForbiddenTransition
from services.publisher.queries.consents import KnownConsent
from tests.model import publisher as driver
from tests.model.machine import Diary
from tests.model.world import FATHER, MOTHER

EXAMPLES = int(os.environ.get("SUTKI_MODEL_EXAMPLES", "300"))
THOROUGH = settings(deadline=None, stateful_step_count=30, suppress_health_check=list(HealthCheck), print_blob=True)
HUNT = settings(
    THOROUGH, phases=[Phase.generate], max_examples=20_000, database=None, derandomize=True, report_multiple_bugs=False
)


@pytest.mark.timeout(3600)
def test_the_invariants_hold_whatever_happens():
    run_state_machine_as_test(Diary, settings=settings(THOROUGH, max_examples=EXAMPLES))


def _late_boundary(**when: Any) -> Late:
    due, at = when["due"], when["available_at"]
    return Late.NO if at < due else deadlines.lateness(**{**when, "available_at": max(at, due + timedelta.resolution)})


def _blames_us(*, due: datetime, available_at: datetime, **_: Any) -> Late:
    return Late.NO if available_at <= due else Late.BY_US


def _no_lead(**when: Any) -> Timers:
    found, due = timers(**when), when["due"]
    return Timers(found.ask_paper_at, due + when["policy"].acknowledgement_grace, found.held)


def _no_last_call(**when: Any) -> Timers:
    found = timers(**when)
    return Timers(when["due"], found.fall_back_at, found.held)


class _Deadlines:
    """The module with one function replaced, where it is called by its module's name."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    def __getattr__(self, name: str) -> Any:
        return self.changed.get(name) or getattr(deadlines, name)


def _nothing_moves(*arguments: Any) -> obligations.Changes:
    return obligations.Changes([], _CHANGES(*arguments).cancelled)


def _served_twice(*arguments: Any) -> list[obligations.Availability]:
    return 2 * _SERVED(*arguments)


def _nobody_notices_the_majority(patch: pytest.MonkeyPatch) -> None:
    # One of the two alone would be enough: the registry ends what the representatives gave, and the cabinet closes.
    patch.setattr(cabinet, "of_age", lambda *_: False)
    patch.setattr(consent, "end", lambda *_: None)


_CHANGES, _SERVED = obligations.changes, obligations.served_students
_STUDENT, _BOTH = cabinet.Student, frozenset({MOTHER, FATHER})

BUGS: Final[Mapping[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]]] = {
    "the cabinet ignores consent": (
        "I2",
        lambda patch: patch.setattr(cabinet.Consent, "in_force", lambda *_: True),
    ),
    "the cabinet ignores silence": ("I2", lambda patch: patch.setattr(cabinet, "consents_fresh", lambda *_: True)),
    "the cabinet ignores authority": (
        "I2",
        lambda patch: patch.setattr(
            cabinet, "Student", lambda student, birth, zone, _: _STUDENT(student, birth, zone, _BOTH)
        ),
    ),
    "nobody notices the majority": ("I2", _nobody_notices_the_majority),
    "a consent holds before it takes effect": (
        "I2",
        lambda patch: patch.setattr(cabinet.Consent, "in_force", lambda self, *_: self.cabinet is Decision.GIVEN),
    ),
    "mails ignore what was consented to": (
        "I2",
        lambda patch: patch.setattr(routes.Recipient, "electronic_channels", frozenset(Channel)),
    ),
    "a withdrawal moves nothing": ("I", lambda patch: patch.setattr(obligations, "changes", _nothing_moves)),
    "due in 25 hours": (
        "I3",
        lambda patch: patch.setattr(
            obligations, "due_at", lambda obtained: obtained + DISCLOSURE_TERM + timedelta(hours=1)
        ),
    ),
    "what is available exactly when due is late": (
        "I3",
        lambda patch: patch.setattr(driver, "deadlines", _Deadlines(lateness=_late_boundary)),
    ),
    "what was late at source is called late by us": (
        "I3",
        lambda patch: patch.setattr(driver, "deadlines", _Deadlines(lateness=_blames_us)),
    ),
    "a correction buys time": (
        "I3",
        lambda patch: patch.setattr(obligations, "due_after_correction", lambda new, _: new),
    ),
    "a hold outlives the deadline": (
        "I3",
        lambda patch: patch.setattr(cabinet, "released", lambda version, _: not version.held),
    ),
    "the screen is waited for to the end": ("I3", lambda patch: patch.setattr(obligations, "timers", _no_lead)),
    "a release sets no timers": ("I3", lambda patch: patch.setattr(corrections, "timers", _no_lead)),
    "paper is asked for when it is due": ("I3", lambda patch: patch.setattr(obligations, "timers", _no_last_call)),
    "an old consent delivered again counts": (
        "I",
        lambda patch: patch.setattr(KnownConsent, "is_older_than", lambda *_: True),
    ),
    "a student is served twice": ("I4", lambda patch: patch.setattr(obligations, "served_students", _served_twice)),
    "an acknowledgement counts on any ground": (
        "I5",
        lambda patch: patch.setattr(
            driver,
            "_counts",
            lambda early, obligation, _: obligations.Availability(obligation, early.route, early.available_at, None),
        ),
    ),
}


# The rarest is met once in some thousands of examples; most in a few.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch):
    invariant, plant = BUGS[bug]
    plant(monkeypatch)
    with pytest.raises((AssertionError, ForbiddenTransition)) as caught:
        run_state_machine_as_test(Diary, settings=HUNT)
    assert isinstance(caught.value, ForbiddenTransition) or str(caught.value).startswith(invariant)
