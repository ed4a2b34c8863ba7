"""Why a row or a whole file was not taken: a stable code, and a text in Russian and English."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import ValidationError


class Code(StrEnum):
    """The reason, for programs. Codes are never renamed."""

    WRONG_HEADER = "wrong_header"
    MISSING_FILE = "missing_file"
    DUPLICATE_FILE = "duplicate_file"
    NOTHING_KNOWN = "nothing_known"
    EMPTY_ARCHIVE = "empty_archive"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    NOT_AN_ARCHIVE = "not_an_archive"
    BROKEN_ARCHIVE = "broken_archive"
    BAD_ENCODING = "bad_encoding"
    BAD_ROW = "bad_row"
    LINE_TOO_LONG = "line_too_long"
    BAD_JSON = "bad_json"
    ORPHAN_ROW = "orphan_row"
    DUPLICATE_ID = "duplicate_id"
    FOREIGN_SCHOOL = "foreign_school"
    FOREIGN_ID = "foreign_id"
    IDENTITY_CHANGED = "identity_changed"
    NOT_DELETABLE = "not_deletable"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_VALUE = "missing_value"
    OUTSIDE_SCALE = "outside_scale"
    BAD_DATE = "bad_date"
    BAD_INSTANT = "bad_instant"
    IN_FUTURE = "in_future"
    BAD_VALUE = "bad_value"


TEXTS: dict[Code, tuple[str, str]] = {
    Code.WRONG_HEADER: (
        "В первой строке нет обязательных столбцов или столбец повторяется",
        "The first line lacks required columns or repeats one",
    ),
    Code.MISSING_FILE: ("Файл обещан или необходим, но его нет", "The file is announced or needed but absent"),
    Code.DUPLICATE_FILE: ("Файл с таким именем уже есть", "There is another file of that name"),
    Code.NOTHING_KNOWN: (
        "Не найдено ни одного файла с известным именем",
        "No file with a known name was found",
    ),
    Code.EMPTY_ARCHIVE: ("Архив пуст", "The archive is empty"),
    Code.ARCHIVE_TOO_LARGE: (
        "Распакованные данные превышают допустимый размер, степень сжатия или число файлов",
        "What unpacks exceeds the allowed size, compression ratio or number of files",
    ),
    Code.NOT_AN_ARCHIVE: ("Это не архив ZIP, не папка и не файл CSV", "Neither a ZIP archive, a folder nor a CSV file"),
    Code.BROKEN_ARCHIVE: (
        "Архив повреждён, обрезан, зашифрован или сжат неизвестным способом",
        "The archive is damaged, cut off, encrypted or packed in an unknown way",
    ),
    Code.BAD_ENCODING: (
        "Текст не читается: нужна кодировка UTF-8 или Windows-1251",
        "The text cannot be read: UTF-8 or Windows-1251 is needed",
    ),
    Code.BAD_ROW: (
        "Число полей не совпадает с заголовком или не закрыта кавычка",
        "The number of fields differs from the header, or a quote is not closed",
    ),
    Code.LINE_TOO_LONG: ("Строка слишком длинная", "The line is too long"),
    Code.BAD_JSON: ("Это не объект JSON", "This is not a JSON object"),
    Code.ORPHAN_ROW: (
        "Строка ссылается на то, что журнал не передал: ученика, предмет, период, группу или школу",
        "The row refers to a student, subject, period, group or school that the journal has not sent",
    ),
    Code.DUPLICATE_ID: ("Такая строка уже была выше; взята первая", "The same id stands above; the first was taken"),
    Code.FOREIGN_SCHOOL: ("Запись относится к другой школе", "The record belongs to another school"),
    Code.FOREIGN_ID: (
        "Этот идентификатор уже принадлежит другой школе",
        "This id already belongs to another school",
    ),
    Code.IDENTITY_CHANGED: (
        "Под этим идентификатором записан результат другого ученика",
        "Under this id another student's result is recorded",
    ),
    Code.NOT_DELETABLE: (
        "Школы, предметы и периоды не удаляются: на них ссылаются оценки",
        "Schools, subjects and periods are not deleted: results refer to them",
    ),
    Code.UNKNOWN_FIELD: ("Неизвестное поле", "Unknown field"),
    Code.MISSING_VALUE: ("Обязательное поле пусто", "A required field is empty"),
    Code.OUTSIDE_SCALE: (
        "Значение вне шкалы: отметка 1–5, зач, незач; итоговая ещё н/а, осв; балл от 0 до максимума",
        "Outside the scale: a mark is 1–5, зач, незач; a final grade also н/а, осв; a score 0 to its maximum",
    ),
    Code.BAD_DATE: ("Нужна дата вида 2026-10-23", "A date such as 2026-10-23 is needed"),
    Code.BAD_INSTANT: (
        "Нужен момент с часовым поясом вида 2026-10-23T14:00:00+03:00",
        "An instant with its offset such as 2026-10-23T14:00:00+03:00 is needed",
    ),
    Code.IN_FUTURE: ("Результат не может быть получен в будущем", "A result cannot be obtained in the future"),
    Code.BAD_VALUE: ("Недопустимое значение поля", "The field's value is not allowed"),
}

RejectionLanguage = Literal["ru", "en"]


def text(code: Code, language: RejectionLanguage = "ru") -> str:
    """What the code means, for a person."""
    russian, english = TEXTS[code]
    return russian if language == "ru" else english


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one record. Never holds the value itself: it may be personal."""

    field: str
    code: Code


_CODE_OF_ERROR = {
    "missing": Code.MISSING_VALUE,
    "extra_forbidden": Code.UNKNOWN_FIELD,
    "model_type": Code.BAD_JSON,
    "model_attributes_type": Code.BAD_JSON,
    "json_invalid": Code.BAD_JSON,
}
_SCALE_FIELDS = frozenset({"value", "grade", "score"})


def faults_of(error: ValidationError) -> list[Fault]:
    """The faults that the model of a record found."""
    return [_fault(str(item["type"]), item["loc"]) for item in error.errors(include_url=False, include_input=False)]


def _fault(kind: str, location: tuple[int | str, ...]) -> Fault:
    field, _, code = kind.partition(":")
    if code:
        # A rule over several fields names the field and the code itself.
        return Fault(field, Code(code))
    name = str(location[0]) if location else ""
    if kind in _CODE_OF_ERROR:
        return Fault(name, _CODE_OF_ERROR[kind])
    if kind in Code.__members__.values():
        return Fault(name, Code(kind))
    if kind == "literal_error" and name in _SCALE_FIELDS:
        return Fault(name, Code.OUTSIDE_SCALE)
    return Fault(name, Code.BAD_VALUE)
