"""The ledger's chain: every change, removal, insertion and swap is found, with nothing but the entries themselves."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.publisher.domain.ledger import GENESIS, Head, LedgerLine, append, canonical, chain_hash, verify
from services.publisher.ledger import read_line, verify_file, write_line

SCHOOL, OTHER = UUID(int=1), UUID(int=2)
CONTENTS = st.dictionaries(
    st.text(min_size=1, max_size=8), st.text(max_size=12) | st.integers(-(2**53), 2**53) | st.booleans(), max_size=4
)


def a_chain(contents: list[dict[str, Any]], school: UUID = SCHOOL) -> tuple[Head, list[LedgerLine]]:
    return append(Head.start(school), contents)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Head, list[LedgerLine]]:
    return a_chain(draw(st.lists(CONTENTS, min_size=2, max_size=12)))


@given(chains())
def test_an_untouched_chain_holds(chain):
    head, lines = chain
    assert verify(lines, [head]) == []
    assert [line.seq for line in lines] == list(range(1, head.seq + 1))


@given(st.lists(CONTENTS, max_size=6), st.lists(CONTENTS, max_size=6))
def test_appending_in_two_steps_gives_the_same_chain_as_in_one(first, second):
    whole = a_chain([*first, *second])
    head, lines = a_chain(first)
    head, more = append(head, second)
    assert (head, lines + more) == whole


@given(chains(), st.data())
def test_any_changed_byte_of_an_entry_is_found(chain, data):
    head, lines = chain
    index = data.draw(st.integers(0, len(lines) - 1))
    entry = lines[index].entry
    place = data.draw(st.integers(0, len(entry) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    assume(letter != entry[place])
    lines[index] = replace(lines[index], entry=entry[:place] + letter + entry[place + 1 :])
    assert verify(lines, [head]) != []


@given(chains(), st.data())
def test_an_entry_rewritten_with_a_fitting_hash_is_found(chain, data):
    head, lines = chain
    index = data.draw(st.integers(0, len(lines) - 1))
    forged = canonical({**orjson.loads(lines[index].entry), "forged": True})
    digest = chain_hash(lines[index].prev_hash, forged)
    lines[index] = replace(lines[index], entry=forged.decode(), hash=digest)
    assert verify(lines, [head]) != []


@given(chains(), st.data())
def test_any_removed_entry_is_found_also_the_last(chain, data):
    head, lines = chain
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    assert verify(lines, [head]) != []


@given(chains(), st.data())
def test_any_two_swapped_entries_are_found(chain, data):
    head, lines = chain
    one, two = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    lines[one], lines[two] = lines[two], lines[one]
    assert verify(lines, [head]) != []


@given(chains(), CONTENTS, st.data())
def test_any_inserted_entry_is_found(chain, content, data):
    head, lines = chain
    index = data.draw(st.integers(0, len(lines)))
    before = lines[index - 1] if index else None
    start = Head(SCHOOL, before.seq, before.hash) if before else Head.start(SCHOOL)
    _, forged = append(start, [content])
    lines[index:index] = forged
    assert verify(lines, [head]) != []


@given(chains())
def test_an_entry_of_another_school_is_found(chain):
    head, lines = chain
    _, foreign = a_chain([{"kind": "available"}] * len(lines), OTHER)
    lines[0] = replace(foreign[0], school_id=SCHOOL)
    assert verify(lines, [head]) != []


@given(st.lists(CONTENTS, min_size=1, max_size=5), st.lists(CONTENTS, min_size=1, max_size=5))
def test_chains_of_several_schools_are_checked_side_by_side(ours, theirs):
    first, mine = a_chain(ours)
    second, foreign = a_chain(theirs, OTHER)
    mixed = [line for pair in zip(mine, foreign, strict=False) for line in pair]
    mixed += mine[len(foreign) :] + foreign[len(mine) :]
    assert verify(mixed, [first, second]) == []
    assert verify(mixed[:-1], [first, second]) != []


def test_an_entry_that_is_not_canonical_is_found_even_with_a_fitting_hash():
    entry = b'{"seq": 1, "school_id": "00000000-0000-0000-0000-000000000001"}'
    line = LedgerLine(SCHOOL, 1, GENESIS, chain_hash(GENESIS, entry), entry.decode())
    assert [fault.reason for fault in verify([line])] == ["its content is not in canonical form"]


def test_the_hash_is_plain_sha256_so_that_anybody_can_check_it():
    _, (line,) = a_chain([{"kind": "available"}])
    assert line.entry == f'{{"kind":"available","school_id":"{SCHOOL}","seq":1}}'
    assert line.hash.hex() == "9852d967e1439d6278dd7270d4bc4785c25dc03f81596210fa5017091f399b62"


@given(chains())
def test_an_export_reads_back_as_it_was(chain):
    head, lines = chain
    assert [read_line(write_line(line)) for line in (*lines, head)] == [*lines, head]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"1", b'{"school_id": 1}', b'{"head": {}}', b'{"head": 1}'])
def test_what_is_no_line_of_a_ledger_is_refused(raw):
    with pytest.raises(ValueError, match="not a line of a ledger"):
        read_line(raw)


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def test_a_file_is_checked_against_its_own_head_or_one_known_from_elsewhere(tmp_path):
    head, lines = a_chain([{"number": number} for number in range(5)])
    whole = [*map(write_line, lines), write_line(head)]
    checked = asyncio.run(verify_file(write(tmp_path / "whole", *whole)))
    assert (checked.holds, checked.entries, checked.heads) == (True, 5, [head])
    for name, damaged in {
        "no head": whole[:-1],
        "cut off": whole[:3] + whole[-1:],
        "a line lost": whole[:2] + whole[3:],
        "garbage": [*whole[:2], b"garbage\n", *whole[2:]],
    }.items():
        assert not asyncio.run(verify_file(write(tmp_path / name, *damaged))).holds, name


def test_a_file_rewritten_with_its_head_is_found_by_the_head_that_was_kept(tmp_path):
    kept, _ = a_chain([{"number": number} for number in range(5)])
    shorter, lines = a_chain([{"number": number} for number in range(3)])
    path = write(tmp_path / "rewritten", *map(write_line, lines), write_line(shorter))
    assert asyncio.run(verify_file(path)).holds
    assert not asyncio.run(verify_file(path, [kept])).holds
