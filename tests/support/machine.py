"""What this machine lacks: left out with a reason at a desk, a failure in continuous integration."""

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
"""Set by `.ci/run`: nothing may be left out there."""


def leave_out(reason: str) -> NoReturn:
    """Skips the test (or every test of the fixture) and says why; fails it where nothing may be left out."""
    if IN_CI:
        pytest.fail(f"nothing may be left out here: {reason}", pytrace=False)
    pytest.skip(reason)
