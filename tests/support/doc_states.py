"""The states of what the publisher owes and of what the gradebook closes, as a document made from the code.

`python -m tests.support.doc_states --write` writes it; a test says when it is out of date.
"""

import argparse
from pathlib import Path

from services.gradebook.closing.states import transition_tables as gradebook_tables
from services.publisher.domain.states import transition_tables

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "states.md"


def text() -> str:
    """The document."""
    made_from = (
        "Made from `services/publisher/domain/states.py`, `services/gradebook/closing/domain.py` and\n"
        "`services/gradebook/closing/deferrals.py`."
    )
    tables = [transition_tables().rstrip(), gradebook_tables().rstrip()]
    return "\n\n".join(["# States", made_from, *tables]) + "\n"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    DOCUMENT.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
