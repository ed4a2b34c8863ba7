"""What every benchmark keeps and says: ours against the bare reference of the same run, on which machine."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path("bench-results")


def figures(name: str, *, ours: float, bare: float, unit: str, n: int = 1, **more: Any) -> dict[str, Any]:
    """The figures of one comparison.

    Args:
        name: what was measured.
        ours: the rate of the system.
        bare: that of the reference.
        unit: of both.
        n: how many rounds it was measured in.
        more: what else is worth keeping.
    """
    compared = {"name": name, "ours": round(ours), "bare": round(bare), "ratio": round(ours / bare, 3)}
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": [round(one, 2) for one in os.getloadavg()],
        **more,
        "results": [{**compared, "unit": unit, "n": n}],
    }


def keep(file: str, taken: dict[str, Any]) -> None:
    """Writes figures into a file of `bench-results`."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / file).write_text(json.dumps(taken, indent=2) + "\n", encoding="utf-8")


def in_words(taken: dict[str, Any]) -> str:
    """One line: the rates, the ratio, and the machine's load."""
    [one] = taken["results"]
    return (
        f"{one['name']}: {one['ours']:,} {one['unit']}, bare reference {one['bare']:,}, ratio {one['ratio']}; "
        f"load average {taken['load_average']} on {taken['cores']} cores"
    )
