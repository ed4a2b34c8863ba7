"""What a person sees of a long command: how much is done, since when, and how long it will take yet."""

from io import StringIO

import pytest
from rich.console import Console

from sutki import console


def test_a_long_command_shows_what_is_done_since_when_and_how_long_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    # As wide as a terminal is at least; the largest import must fit.
    screen = Console(file=StringIO(), force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(console, "err", screen)
    with console.progress() as display:
        clock = [0.0]
        display.get_time = lambda: clock[0]
        task = display.add_task("чтение: results.csv", total=1_000_000)
        for clock[0] in (10.0, 20.0):
            display.update(task, advance=100_000)
        with screen.capture() as shown:
            screen.print(display.get_renderable())
    line = shown.get()
    assert "чтение: results.csv" in line
    assert "200000/1000000" in line
    assert "0:00:20 0:01:20" in line


def test_nothing_of_it_goes_where_no_person_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    monkeypatch.setattr(console, "err", Console(file=written))
    with console.progress() as display:
        display.update(display.add_task("чтение", total=2), completed=1)
    assert not written.getvalue()
