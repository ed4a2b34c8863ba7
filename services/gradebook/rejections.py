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
    BAD_TIME = "bad_time"
    NOT_IN_GROUP = "not_in_group"
    PERIOD_CLOSED = "period_closed"
    NO_LESSON = "no_lesson"
    GRADE_ONE = "grade_one"
    CONTROL_WORK_CLASH = "control_work_clash"
    BAD_VALUE = "bad_value"
    AMBIGUOUS_DATE = "ambiguous_date"
    ENDS_BEFORE_START = "ends_before_start"
    BAD_NUMBER = "bad_number"
    BAD_BOOLEAN = "bad_boolean"
    NOT_IN_VOCABULARY = "not_in_vocabulary"
    NOT_ANNOUNCED = "not_announced"
    MISSING_VERSION = "missing_version"
    UNKNOWN_VERSION = "unknown_version"
    NOT_A_TABLE = "not_a_table"
    PASSWORD_PROTECTED = "password_protected"  # noqa: S105 - a reason, not a secret
    OLD_WORKBOOK = "old_workbook"
    BROKEN_WORKBOOK = "broken_workbook"
    FORBIDDEN_XML = "forbidden_xml"
    TABLE_TOO_LARGE = "table_too_large"
    EMPTY_TABLE = "empty_table"
    BAD_MAP = "bad_map"
    HEADER_NOT_FOUND = "header_not_found"
    NO_STUDENT_NAMED = "no_student_named"
    NO_SUBJECT_NAMED = "no_subject_named"
    DATE_UNCLEAR = "date_unclear"
    CELL_NOT_UNDERSTOOD = "cell_not_understood"
    COLUMN_NOT_UNDERSTOOD = "column_not_understood"
    FORMULA_WITHOUT_VALUE = "formula_without_value"
    CELL_ERROR = "cell_error"
    UNKNOWN_SCHOOL = "unknown_school"
    UNKNOWN_STUDENT = "unknown_student"
    AMBIGUOUS_STUDENT = "ambiguous_student"
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_CLASS = "unknown_class"
    UNKNOWN_PERIOD = "unknown_period"


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
        "Текст не читается: нужна кодировка UTF-8, UTF-16 или Windows-1251, без нулевых знаков",
        "The text cannot be read: UTF-8, UTF-16 or Windows-1251 is needed, without NUL characters",
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
    Code.BAD_TIME: (
        "Нужно время вида 08:30, и конец урока позже его начала",
        "A time such as 08:30 is needed, and a lesson ends after it began",
    ),
    Code.NOT_IN_GROUP: (
        "В этот день ученик не состоял в этой группе",
        "The student was not in this group on that day",
    ),
    Code.PERIOD_CLOSED: (
        "Отчётный период закрыт; чтобы изменить отметку, его открывают снова с указанием причины",
        "The reporting period is closed; to change a mark it is reopened, with a reason",
    ),
    Code.NO_LESSON: (
        "В расписании нет такого урока этой группы по этому предмету в этот день",
        "The timetable has no such lesson of this group and subject on that day",
    ),
    Code.GRADE_ONE: (
        "В 1 классе отметок нет; пишите наблюдения и рекомендации",
        "Grade 1 has no marks; write observations and recommendations",
    ),
    Code.CONTROL_WORK_CLASH: (
        "На этот день или неделю уже назначена контрольная работа; чтобы всё же назначить, передайте force",
        "Another control work stands on that day or in that week; send force to plan it nevertheless",
    ),
    Code.BAD_VALUE: ("Недопустимое значение поля", "The field's value is not allowed"),
    Code.AMBIGUOUS_DATE: (
        "День и месяц в дате не различить: нужна дата вида 2026-10-23",
        "Day and month cannot be told apart: a date such as 2026-10-23 is needed",
    ),
    Code.ENDS_BEFORE_START: ("Конец раньше начала", "The end is before the start"),
    Code.BAD_NUMBER: ("Нужно число", "A number is needed"),
    Code.BAD_BOOLEAN: ("Нужно true или false", "true or false is needed"),
    Code.NOT_IN_VOCABULARY: (
        "Такого значения нет в словаре стандарта",
        "The value is not in the standard's vocabulary",
    ),
    Code.NOT_ANNOUNCED: (
        "Файл есть, но manifest.csv его не объявляет; строки проверены как обычно",
        "The file is there although manifest.csv does not announce it; its rows were looked at as usual",
    ),
    Code.MISSING_VERSION: (
        "В manifest.csv нет версии OneRoster; она определена по файлам и столбцам",
        "manifest.csv lacks the OneRoster version; it was inferred from files and columns",
    ),
    Code.UNKNOWN_VERSION: (
        "Версия не 1.1 и не 1.2; она определена по файлам и столбцам",
        "The version is neither 1.1 nor 1.2; it was inferred from files and columns",
    ),
    Code.NOT_A_TABLE: ("Это не таблица: нужны XLSX, CSV, HTML или JSON", "No table: XLSX, CSV, HTML or JSON is needed"),
    Code.PASSWORD_PROTECTED: (
        "Файл закрыт паролем: сохраните его без пароля",
        "The file is locked with a password: save it without one",
    ),
    Code.OLD_WORKBOOK: (
        "Старый или другой формат таблиц (XLS, XLSB, ODS, XML 2003): сохраните файл как XLSX",
        "An old or other form of workbook (XLS, XLSB, ODS, XML 2003): save the file as XLSX",
    ),
    Code.BROKEN_WORKBOOK: ("Файл таблицы повреждён", "The workbook is damaged"),
    Code.FORBIDDEN_XML: (
        "В файле таблицы есть объявления XML, которых там не бывает",
        "The workbook has XML declarations that none has",
    ),
    Code.TABLE_TOO_LARGE: (
        "Таблица больше допустимого: по ячейкам, строкам или объёму после распаковки",
        "The table is beyond the limits: of cells, of rows or of what unpacks",
    ),
    Code.EMPTY_TABLE: ("В файле нет ни одной заполненной ячейки", "The file has no cell with a value"),
    Code.BAD_MAP: ("Карта таблицы составлена неверно", "The map of the table is wrong"),
    Code.HEADER_NOT_FOUND: (
        "На листе не найден заголовок таблицы, который описан в карте",
        "The header of the table that the map describes was not found in the sheet",
    ),
    Code.NO_STUDENT_NAMED: ("Не указан ученик, к которому относится таблица", "The table names no student"),
    Code.NO_SUBJECT_NAMED: ("Не указан предмет, к которому относится таблица", "The table names no subject"),
    Code.DATE_UNCLEAR: (
        "Дата столбца не определяется: нет года, месяца или дня",
        "The column's date is unclear: the year, the month or the day is missing",
    ),
    Code.CELL_NOT_UNDERSTOOD: ("Содержимое ячейки не понято", "The content of the cell is not understood"),
    Code.COLUMN_NOT_UNDERSTOOD: (
        "Столбец не описан в карте, и его ячейки не прочитаны",
        "The map does not describe the column, and its cells were not read",
    ),
    Code.FORMULA_WITHOUT_VALUE: (
        "В ячейке формула без сохранённого значения: откройте файл в табличном редакторе и сохраните",
        "The cell has a formula without a saved value: open the file in a spreadsheet program and save it",
    ),
    Code.CELL_ERROR: ("В ячейке ошибка вместо значения", "The cell has an error in place of a value"),
    Code.UNKNOWN_SCHOOL: (
        "Школа не указана или неизвестна: назовите её параметром --school",
        "The school is not named or not known: name it with --school",
    ),
    Code.UNKNOWN_STUDENT: (
        "В журнале школы нет такого ученика в этом классе",
        "The school's journal has no such student in this class",
    ),
    Code.AMBIGUOUS_STUDENT: (
        "Подходят несколько учеников: нужны отчество, класс или идентификатор",
        "Several students fit: a patronymic, a class or an id is needed",
    ),
    Code.UNKNOWN_SUBJECT: ("В журнале нет предмета с таким названием", "The journal has no subject of this name"),
    Code.UNKNOWN_CLASS: ("В журнале школы нет такого класса", "The school's journal has no such class"),
    Code.UNKNOWN_PERIOD: (
        "В журнале школы нет такого отчётного периода этого учебного года",
        "The school's journal has no such reporting period of this school year",
    ),
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
