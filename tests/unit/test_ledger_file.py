"""An exported ledger is checked offline: whatever is done to it anywhere is found, and the right line is named."""

import asyncio
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.publisher.domain.ledger import Head, LedgerLine, append
from services.publisher.domain.ledger_check import Checker, Known
from services.publisher.domain.ledger_faults import _WORDS, Break, Fault
from services.publisher.domain.ledger_file import Counts, Day, Record, read_line, write_line
from services.publisher.domain.roots import PublicKey, SignedRoot
from services.publisher.proving import Verification, verify_file
from tests.support.ledgers import FIRST_DAY, a_ledger, a_signer, as_lines, closing

SCHOOLS = [UUID(int=one) for one in (1, 2, 3)]
CONTENTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["available", "closed", "overdue"]), "recipient_id": st.uuids().map(str)}
)


@st.composite
def ledgers(draw: st.DrawFn) -> list[Record]:
    days = draw(st.integers(1, 3))
    one_day = st.lists(CONTENTS, max_size=4)
    count = draw(st.integers(1, 3))
    schools = {school: draw(st.lists(one_day, min_size=days, max_size=days)) for school in SCHOOLS[:count]}
    assume(any(day for appended in schools.values() for day in appended))
    return a_ledger(schools, sealed=draw(st.integers(0, days)))


def check(lines: Sequence[bytes], known: Known | None = None) -> list[Fault]:
    """What a file of these lines is found to be, without a disk."""
    checker, expected = Checker(known), 1
    for position, raw in enumerate(lines, start=1):
        try:
            number, record = read_line(raw)
        except ValueError:
            checker.unreadable(position)
            expected += 1
            continue
        checker.feed(record, position)
        if number != expected:
            checker.misnumbered(position, number, expected)
        expected = number + 1
    return checker.finish(len(lines) + 1)


def first_line(faults: Sequence[Fault]) -> int | None:
    assert faults, "nothing was found"
    return faults[0].line


def a_small_ledger(sealed: int = 2) -> list[Record]:
    return a_ledger(
        {
            school: [[{"kind": "available", "number": number} for number in range(2)] for _ in range(3)]
            for school in SCHOOLS
        },
        sealed=sealed,
    )


@given(ledgers())
def test_an_untouched_file_holds(records):
    assert check(as_lines(records)) == []


@given(ledgers(), st.data())
def test_any_changed_byte_is_found_on_its_line(records, data):
    lines = as_lines(records)
    index = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[index]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != lines[index][place]))
    changed = lines[index][:place] + bytes([byte]) + lines[index][place + 1 :]
    # A line feed in its midst makes two lines of one, neither of which can be read.
    touched = b"".join([*lines[:index], changed, *lines[index + 1 :]]).splitlines(keepends=True)
    touched = [part for part in b"".join(touched).split(b"\n") if part]
    assert first_line(check([part + b"\n" for part in touched])) == index + 1


@given(ledgers(), st.data())
def test_any_removed_row_is_found_where_it_stood(records, data):
    lines = as_lines(records)
    index = data.draw(st.integers(0, len(lines) - 1))
    assert first_line(check(lines[:index] + lines[index + 1 :])) == index + 1


@given(ledgers(), st.data())
def test_any_two_swapped_rows_are_found_at_the_first(records, data):
    lines = as_lines(records)
    one, two = sorted(data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True)))
    lines[one], lines[two] = lines[two], lines[one]
    assert first_line(check(lines)) == one + 1


@given(ledgers(), st.data())
def test_any_repeated_row_is_found_where_it_was_put(records, data):
    lines = as_lines(records)
    index = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(index + 1, len(lines)))
    lines.insert(place, lines[index])
    assert first_line(check(lines)) == place + 1


@given(ledgers(), st.data())
def test_any_tail_that_was_cut_is_found_where_the_file_ends(records, data):
    lines = as_lines(records)
    kept = data.draw(st.integers(0, len(lines) - 1))
    faults = check(lines[:kept])
    assert kept + 1 in {fault.line for fault in faults}
    assert first_line(faults) == kept + 1
    assert Break.CUT in {fault.code for fault in faults}


@given(ledgers(), CONTENTS, st.data())
def test_a_forged_entry_that_fits_what_is_before_it_is_found_where_the_chain_goes_on(records, content, data):
    places = [place for place, one in enumerate(records) if isinstance(one, LedgerLine)]
    place = data.draw(st.sampled_from(places))
    original = records[place]
    assert isinstance(original, LedgerLine)
    _, (forged,) = append(Head(original.school_id, original.seq - 1, original.prev_hash), [content])
    assume(forged.hash != original.hash)
    # Whoever forges numbers the lines anew and counts them right.
    body = [*records[:place], forged, *records[place:-1]]
    assert first_line(check(as_lines([*body, closing(body)]))) == place + 2


@given(ledgers(), CONTENTS, st.data())
def test_an_entry_replaced_with_a_fitting_hash_is_found_on_the_next_line(records, content, data):
    places = [place for place, one in enumerate(records) if isinstance(one, LedgerLine)]
    place = data.draw(st.sampled_from(places))
    original = records[place]
    assert isinstance(original, LedgerLine)
    _, (forged,) = append(Head(original.school_id, original.seq - 1, original.prev_hash), [{**content, "forged": 1}])
    records = [*records[:place], forged, *records[place + 1 :]]
    assert first_line(check(as_lines(records))) == place + 2


@given(ledgers(), st.data())
def test_an_entry_of_a_foreign_school_is_found_on_its_line(records, data):
    # Before a chain's first entry it looks like a chain of its own, and is found on the next line.
    places = [place for place, one in enumerate(records) if isinstance(one, LedgerLine) and one.seq > 1]
    assume(places)
    place = data.draw(st.sampled_from(places))
    _, (foreign,) = append(Head.start(UUID(int=9)), [{"kind": "available"}])
    body = [*records[:place], foreign, *records[place:-1]]
    assert first_line(check(as_lines([*body, closing(body)]))) == place + 1


@given(ledgers(), st.data())
def test_removing_a_row_and_numbering_the_others_anew_hides_nothing(records, data):
    place = data.draw(st.integers(1, len(records) - 2))
    body = [*records[:place], *records[place + 1 : -1]]
    # Days and roots fit without their last one, and a school of which nothing was told is not missed.
    taken = records[place]
    assume(not isinstance(taken, PublicKey | SignedRoot | Day) and not (isinstance(taken, Head) and taken.seq == 0))
    assert first_line(check(as_lines([*body, closing(body)]))) == place + 1


def test_what_is_cut_from_the_end_of_a_chain_with_its_head_is_found_by_the_signed_root():
    records = a_small_ledger(sealed=3)
    cut = [one for one in records if not (isinstance(one, LedgerLine) and one.school_id == SCHOOLS[2] and one.seq > 4)]
    last = next(one for one in cut if isinstance(one, LedgerLine) and one.school_id == SCHOOLS[2] and one.seq == 4)
    cut = [
        Head(SCHOOLS[2], 4, last.hash) if isinstance(one, Head) and one.school_id == SCHOOLS[2] else one for one in cut
    ]
    cut = [
        one for one in cut if not (isinstance(one, Day) and one.told.school_id == SCHOOLS[2] and one.told.last_seq > 4)
    ]
    faults = check(as_lines([*cut[:-1], closing(cut[:-1])]))
    assert [fault.code for fault in faults] == [Break.ROOT]
    assert faults[0].values["day"] == FIRST_DAY + timedelta(days=2)


def rewritten() -> list[Record]:
    """A whole ledger made anew by somebody with a key of their own."""
    schools = {school: [[{"kind": "available", "forged": True}]] * 3 for school in SCHOOLS}
    return a_ledger(schools, sealed=2, signer=a_signer(2))


def test_a_ledger_rewritten_as_a_whole_is_found_by_a_key_a_head_or_a_root_that_was_kept():
    records = a_small_ledger()
    head = next(one for one in records if isinstance(one, Head))
    root = next(one for one in records if isinstance(one, SignedRoot))
    forged = as_lines(rewritten())
    assert check(forged) == [], "by itself it holds: what is known from elsewhere is needed"
    by_key = check(forged, Known(keys=[a_signer().public]))
    assert {fault.code for fault in by_key} == {Break.KEY}
    assert {fault.code for fault in check(forged, Known(heads=[head]))} == {Break.KNOWN_HEAD}
    assert {fault.code for fault in check(forged, Known(roots={FIRST_DAY: root.digest()}))} == {Break.KNOWN_ROOT}
    true = Known([head], {FIRST_DAY: root.digest()}, [a_signer().public])
    assert check(as_lines(records), true) == []


def test_a_head_known_from_before_is_found_inside_the_chain_that_has_grown():
    records = a_small_ledger()
    early = next(one for one in records if isinstance(one, LedgerLine) and one.seq == 3)
    assert check(as_lines(records), Known(heads=[Head(early.school_id, 3, early.hash)])) == []
    faults = check(as_lines(records), Known(heads=[Head(early.school_id, 3, bytes(32))]))
    assert [(fault.code, fault.line) for fault in faults] == [(Break.KNOWN_HEAD, records.index(early) + 1)]
    assert [fault.code for fault in check(as_lines(records), Known(heads=[Head(early.school_id, 99, bytes(32))]))] == [
        Break.KNOWN_HEAD
    ]


def test_a_wrong_signature_is_found_on_its_line():
    records = a_small_ledger()
    place = next(place for place, one in enumerate(records) if isinstance(one, SignedRoot))
    root = records[place]
    assert isinstance(root, SignedRoot)
    signature = bytes([root.signature[0] ^ 1]) + root.signature[1:]
    faults = check(as_lines([*records[:place], replace(root, signature=signature), *records[place + 1 :]]))
    assert [(fault.code, fault.line) for fault in faults] == [(Break.SIGNATURE, place + 1)]


def test_a_root_signed_by_the_right_key_over_other_entries_is_found():
    """Not even the owner of the key rewrites a day unnoticed by whoever has the entries."""
    records = a_small_ledger()
    place = next(place for place, one in enumerate(records) if isinstance(one, SignedRoot))
    root = records[place]
    assert isinstance(root, SignedRoot)
    forged = a_signer().sign(replace(root.told(), root=bytes(32)))
    faults = check(as_lines([*records[:place], forged, *records[place + 1 :]]))
    assert (faults[0].code, faults[0].line) == (Break.ROOT, place + 1)
    assert (faults[1].code, faults[1].line) == (Break.ROOT_CHAIN, place + 2)


def test_a_school_s_root_that_does_not_match_its_entries_is_found_on_its_line():
    records = a_small_ledger()
    place = next(place for place, one in enumerate(records) if isinstance(one, Day))
    day = records[place]
    assert isinstance(day, Day)
    forged = Day(replace(day.told, root=bytes(32)))
    faults = check(as_lines([*records[:place], forged, *records[place + 1 :]]))
    assert (faults[0].code, faults[0].line) == (Break.DAY_ROOT, place + 1)


def test_roots_go_on_under_a_new_key():
    old, new = a_signer(1), a_signer(2)
    records = a_small_ledger()
    first = next(place for place, one in enumerate(records) if isinstance(one, SignedRoot))
    second = records[first + 1]
    assert isinstance(second, SignedRoot)
    again = new.sign(replace(second.told(), key_id=new.public.key_id))
    body = [*records[:first], new.public, records[first], again]
    assert check(as_lines([*body, closing(body)])) == []
    only_old = check(as_lines([*body, closing(body)]), Known(keys=[old.public]))
    assert [(fault.code, fault.values["key"]) for fault in only_old] == [(Break.KEY, new.public.key_id)]


@given(ledgers())
def test_an_export_reads_back_as_it_was(records):
    assert [read_line(line) for line in as_lines(records)] == list(enumerate(records, start=1))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b"1", b"{}", b'{"line":1}\n', b'{"line":1,"entry":{}}\n', b'{"line":1,"head":1}\n',
        b'{"line":1,"other":{}}\n', b'{"line":1,"end":{"entries":1}}\n',
        b'{"line":1,"head":{"school_id":"X","seq":1,"hash":""}}\n',
    ],
)  # fmt: skip
def test_what_is_no_line_of_a_ledger_is_refused(raw):
    with pytest.raises(ValueError, match="not a line of a ledger"):
        read_line(raw)


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'"line"', b' "line"'),
        lambda line: line.rstrip(b"\n"),
        lambda line: line.replace(b'"seq":1,', b'"seq":1.0,'),
        lambda line: line.replace(b"ab", b"AB"),
        lambda line: line.replace(b'"seq":1,', b'"seq":1,"more":1,'),
    ],
)
def test_a_line_can_be_written_in_one_way_only(change):
    line = write_line(2, LedgerLine(SCHOOLS[0], 1, bytes(32), b"\xab" * 32, "{}"))
    assert change(line) != line
    with pytest.raises(ValueError, match="not a line of a ledger"):
        read_line(change(line))


def test_each_way_to_break_a_ledger_is_said_in_both_languages():
    values = dict.fromkeys(("expected", "found", "school", "day", "key", "what"), 1)
    assert set(_WORDS) == set(Break)
    for code in Break:
        fault = Fault(code, values=values)
        assert any("а" <= letter <= "я" for letter in fault.ru.lower()), code
        assert fault.en.isascii(), code


def verified(path: Path, lines: Sequence[bytes], **known: Any) -> Verification:
    path.write_bytes(b"".join(lines))
    return asyncio.run(verify_file(path, Known(**known)))


def test_a_file_tells_what_is_signed_and_what_is_to_be_kept(tmp_path):
    records = a_small_ledger()
    found = verified(tmp_path / "ledger.jsonl", as_lines(records))
    roots = [one for one in records if isinstance(one, SignedRoot)]
    assert (found.holds, found.entries, found.schools, found.unsealed) == (True, 18, 3, 6)
    assert found.last_root == (FIRST_DAY + timedelta(days=1), roots[-1].digest())
    assert found.keys == {a_signer().public.key_id}


def test_an_empty_file_does_not_hold(tmp_path):
    assert [(one.code, one.line) for one in verified(tmp_path / "empty", []).faults] == [(Break.CUT, 1)]


def test_lines_behind_the_closing_line_are_found(tmp_path):
    lines = as_lines(a_small_ledger())
    found = verified(tmp_path / "more", [*lines, write_line(len(lines) + 1, Counts())])
    assert [(one.code, one.line) for one in found.faults] == [(Break.AFTER_END, len(lines) + 1)]


def test_memory_does_not_grow_with_the_ledger(tmp_path):
    """Also not where every line is broken."""

    def peak(entries: int) -> int:
        lines = as_lines(a_ledger({SCHOOLS[0]: [[{"number": number} for number in range(entries)]]}, sealed=1))
        broken = [line.replace(b'"number', b'"lumber') for line in lines]
        path = tmp_path / f"{entries}"
        path.write_bytes(b"".join(broken))
        tracemalloc.start()
        try:
            found = asyncio.run(verify_file(path))
            assert (found.faults_in_all, len(found.faults)) == (entries, 100)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(200)
    assert peak(4000) < peak(400) + 50_000
