"""Writes what others read of the contracts: JSON Schemas, examples and the AsyncAPI document.

`python -m contracts.generate` writes them, `--check` says what is out of date (exit code 1), `--release` also makes the
present schemas the baseline that later ones are compared with; it refuses when a forbidden change was made.
A tool of the repository; no service imports it.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from contracts.asyncapi import document
from contracts.base import wire
from contracts.catalogue import EVENTS, EXAMPLES
from contracts.compatibility import Breach, catalogue_breaches
from contracts.schemas import Schema, schema_of

FOLDER = Path(__file__).parent
GENERATED = ("schemas", "examples")
_HEAD = "# Written by `python -m contracts.generate` from the contracts; do not edit.\n"


def current_schemas() -> dict[str, Schema]:
    """The schema of every event, by its type."""
    return {name: schema_of(event) for name, event in EVENTS.items()}


def released_schemas(folder: Path = FOLDER) -> dict[str, Schema]:
    """The schemas as they were released, by the event's type."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("released/*.json"))}


def files() -> dict[str, str]:
    """Everything that is generated: the text by its path within this folder."""
    texts = {f"schemas/{name}.json": _json(schema) for name, schema in current_schemas().items()}
    texts |= {f"examples/{example.TOPIC}.json": _json(wire(example)) for example in EXAMPLES}
    texts["asyncapi.yaml"] = _HEAD + yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=120)
    return texts


def outdated(folder: Path = FOLDER) -> list[str]:
    """Paths within the folder that are missing, differ from the contracts, or belong to no event any more."""
    wanted = files()
    wrong = [path for path, text in wanted.items() if _read(folder / path) != text]
    present = [path.relative_to(folder).as_posix() for name in GENERATED for path in folder.glob(f"{name}/*.json")]
    return sorted(wrong + [path for path in present if path not in wanted])


def write(folder: Path = FOLDER) -> list[str]:
    """Brings the folder up to date.

    Returns:
        The paths that were written or deleted.
    """
    wanted, changed = files(), outdated(folder)
    for path in changed:
        if path in wanted:
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(wanted[path], encoding="utf-8")
        else:
            (folder / path).unlink()
    return changed


def release(folder: Path = FOLDER) -> Mapping[str, list[Breach]]:
    """Makes the present schemas the baseline, unless a forbidden change was made.

    Returns:
        The breaches, by event; nothing was written when there are some.
    """
    found = catalogue_breaches(released_schemas(folder), current_schemas())
    if not found:
        (folder / "released").mkdir(exist_ok=True)
        for name, schema in current_schemas().items():
            (folder / "released" / f"{name}.json").write_text(_json(schema), encoding="utf-8")
    return found


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; exit 1 when something is out of date")
    mode.add_argument("--release", action="store_true", help="also make the present schemas the baseline")
    chosen = parser.parse_args(arguments)
    found = release() if chosen.release else catalogue_breaches(released_schemas(), current_schemas())
    for name, made in found.items():
        for breach in made:
            sys.stderr.write(f"{name}: {breach}\n")
    if chosen.check:
        changed = outdated()
        for path in changed:
            sys.stderr.write(f"contracts/{path} is out of date; run `python -m contracts.generate`\n")
    else:
        for path in write():
            sys.stdout.write(f"contracts/{path}\n")
        changed = []
    return 1 if found or changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
