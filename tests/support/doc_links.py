"""Links of the documents into the code: they name a symbol, and this finds its line.

`python -m tests.support.doc_links --write FILE…` sets the lines anew; a test says when one is wrong.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>[^)#\s]+)#L(?P<line>\d+)\)")
_SYMBOL = re.compile(r"^`(\w+)`$")


def right_line(target: Path, text: str) -> int:
    """The line that a link with this text should point to: the symbol's definition, or the file's first line.

    Raises:
        LookupError: the symbol is not defined there.
    """
    symbol = _SYMBOL.match(text)
    if symbol is None:
        return 1
    definition = re.compile(rf"^\s*(?:async def|def|class) {symbol[1]}\b")
    for number, line in enumerate(target.read_text(encoding="utf-8").splitlines(), start=1):
        if definition.match(line):
            return number
    raise LookupError(f"{target} defines no {symbol[1]}")


def wrong_links(document: Path) -> Iterator[str]:
    """What is wrong with the links of a document."""
    for link in _LINK.finditer(document.read_text(encoding="utf-8")):
        target = document.parent / link["path"]
        if not target.exists():
            yield f"{document}: {link['path']} does not exist"
            continue
        try:
            line = right_line(target, link["text"])
        except LookupError as error:
            yield f"{document}: {error}"
        else:
            if line != int(link["line"]):
                yield f"{document}: {link['text']} is at {link['path']}#L{line}, not L{link['line']}"


def rewritten(document: Path) -> str:
    """The document with every link's line set anew."""

    def anew(link: re.Match[str]) -> str:
        line = right_line(document.parent / link["path"], link["text"])
        return f"[{link['text']}]({link['path']}#L{line})"

    return _LINK.sub(anew, document.read_text(encoding="utf-8"))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.add_argument("files", nargs="+", type=Path)
    for document in parser.parse_args().files:
        document.write_text(rewritten(document), encoding="utf-8")


if __name__ == "__main__":
    main()
