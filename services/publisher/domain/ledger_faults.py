"""How a ledger can be broken, in words, Russian and English."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID


class Break(StrEnum):
    """The ways."""

    UNREADABLE = "unreadable"
    NUMBER = "number"
    CONTENT = "content"
    MISSING = "missing"
    AGAIN = "again"
    LINK = "link"
    NOT_CANONICAL = "not_canonical"
    PLACE = "place"
    FOREIGN = "foreign"
    ORDER = "order"
    HEAD = "head"
    NO_HEAD = "no_head"
    BEHIND_HEAD = "behind_head"
    DAY = "day"
    DAY_ROOT = "day_root"
    ROOT = "root"
    ROOT_CHAIN = "root_chain"
    NO_ROOT = "no_root"
    SIGNATURE = "signature"
    KEY = "key"
    PROOF = "proof"
    COUNTS = "counts"
    CUT = "cut"
    AFTER_END = "after_end"
    KNOWN_HEAD = "known_head"
    KNOWN_ROOT = "known_root"


_WORDS: Final[Mapping[Break, tuple[str, str]]] = {
    Break.UNREADABLE: (
        "строка не такова, какой её пишет выгрузка: изменён байт",
        "the line is not as an export writes it: a byte was changed",
    ),
    Break.NUMBER: (
        "здесь ожидалась строка {expected}, а стоит {found}: строки убраны, вставлены, повторены или переставлены",
        "line {expected} was expected here, line {found} stands here: lines were removed, inserted, repeated, swapped",
    ),
    Break.CONTENT: (
        "содержание записи не соответствует её хешу: запись изменена",
        "the content of the entry does not fit its hash: the entry was changed",
    ),
    Break.MISSING: (
        "ожидалась запись {expected}, а стоит запись {found}: строки убраны или переставлены",
        "entry {expected} was expected here and entry {found} stands here: rows were removed or swapped",
    ),
    Break.AGAIN: (
        "ожидалась запись {expected}, а стоит запись {found}: строка повторена, вставлена или переставлена",
        "entry {expected} was expected here and entry {found} stands here: a row was repeated, inserted or swapped",
    ),
    Break.LINK: (
        "запись не продолжает предыдущую: одна из двух изменена или вставлена",
        "the entry does not follow the one before it: one of the two was changed or inserted",
    ),
    Break.NOT_CANONICAL: (
        "содержание записи — не JSON в каноническом виде",
        "the content of the entry is no JSON in canonical form",
    ),
    Break.PLACE: (
        "содержание записи принадлежит другому месту журнала",
        "the content of the entry belongs to another place of the ledger",
    ),
    Break.FOREIGN: (
        "строка другой школы внутри цепочки школы {school}",
        "a line of another school inside the chain of school {school}",
    ),
    Break.ORDER: (
        "строка не на своём месте: здесь такой строки быть не может",
        "the line is out of its place: no such line can stand here",
    ),
    Break.HEAD: (
        "цепочка кончается записью {found}, а её конец — запись {expected}: конец отрезан, заменён или дописан",
        "the chain ends with entry {found}, and its head is entry {expected}: the end was cut, replaced or added to",
    ),
    Break.NO_HEAD: ("у цепочки школы {school} нет конца", "the chain of school {school} has no head"),
    Break.BEHIND_HEAD: (
        "записи стоят за концом цепочки, который — запись {expected}",
        "there are entries behind the head of the chain, which is entry {expected}",
    ),
    Break.DAY: (
        "итог дня {day} не охватывает записи, стоящие перед ним: строки убраны, вставлены или заменены",
        "the summary of {day} does not cover the entries before it: rows were removed, inserted or replaced",
    ),
    Break.DAY_ROOT: (
        "корень школы за {day} не сходится с её записями",
        "the school's root of {day} does not match its entries",
    ),
    Break.ROOT: (
        "корень района за {day} не сходится с итогами школ: какой-то из них изменён, убран или дописан",
        "the district's root of {day} does not match the schools' days: one of them was changed, removed or added",
    ),
    Break.ROOT_CHAIN: (
        "корень за {day} не продолжает корень предыдущего дня: корень убран, переставлен или заменён",
        "the root of {day} does not follow the root of the day before: a root was removed, swapped or replaced",
    ),
    Break.NO_ROOT: ("нет корня района за {day}", "there is no root of the district for {day}"),
    Break.SIGNATURE: (
        "подпись корня за {day} неверна",
        "the signature of the root of {day} is wrong",
    ),
    Break.KEY: (
        "ключ {key} неизвестен или не тот: ему здесь не доверяют",
        "key {key} is unknown or another one: it is not trusted here",
    ),
    Break.PROOF: (
        "доказательство не ведёт от записи {found} к подписанному корню",
        "the proof does not lead from entry {found} to a signed root",
    ),
    Break.COUNTS: (
        "строка итогов не сходится с файлом: {what} — {found}, а было {expected}",
        "the closing line does not match the file: {what} are {found} and were {expected}",
    ),
    Break.CUT: (
        "файл обрывается здесь: нет строки итогов, конец отрезан",
        "the file breaks off here: there is no closing line, its tail was cut off",
    ),
    Break.AFTER_END: ("строка стоит после строки итогов", "the line stands behind the closing line"),
    Break.KNOWN_HEAD: (
        "известная запись {expected} не такова или её нет: цепочка переписана или отрезана",
        "entry {expected}, known from elsewhere, is another one or missing: the chain was rewritten or cut off",
    ),
    Break.KNOWN_ROOT: (
        "известный корень за {day} не таков или его нет: журнал переписан или отрезан",
        "the root of {day}, known from elsewhere, is another one or missing: the ledger was rewritten or cut off",
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a ledger does not hold."""

    code: Break
    line: int | None = None
    """In the file, from 1; None when a database was checked."""
    school_id: UUID | None = None
    seq: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ru(self) -> str:
        """In Russian."""
        return _WORDS[self.code][0].format(**self.values)

    @property
    def en(self) -> str:
        """In English."""
        return _WORDS[self.code][1].format(**self.values)

    @property
    def reason(self) -> str:
        """In English, for logs and tests."""
        return self.en
