"""Letters of every occasion, as a family might get them."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.publisher.domain.letters import Item, Letter, NewsItem
from services.publisher.domain.preferences import Kind
from services.publisher.mail.compose import Letterhead
from services.publisher.mail.unsubscribe import Tokens

AT = datetime(2026, 10, 23, 11, tzinfo=UTC)
KEY = bytes(range(32))
HEAD = Letterhead(
    "diary@example.org",
    "Дневник",
    "https://diary.example.org",
    "https://diary.example.org/off",
    one_click_url="https://diary.example.org/unsubscribe",
    tokens=Tokens((KEY,)),
    unsubscribe_mailbox="unsubscribe@example.org",
    return_address="bounce@example.org",
    feedback="sutki-example",
)
GRADE = Item(UUID(int=1), 1, "final_grade", "set", "Алгебра", None, "quarter", 1, "4", None, None, None)
EXAM = replace(
    GRADE,
    kind="oge",
    subject_title="Математика",
    title="ОГЭ по математике",
    period_kind=None,
    period_number=None,
    value="5",
    score=Decimal("22.50"),
    max_score=Decimal(31),
)
DEFERRAL = replace(GRADE, subject_title="Химия", state="deferred", value=None, deferred_until=date(2026, 11, 20))
CORRECTION = replace(
    GRADE, subject_title="История России. Всеобщая история", value="5", value_revision=2, correction=True
)


def a_letter(*items: Item, **different: Any) -> Letter:
    """A letter with results."""
    letter = Letter(
        notification_id=UUID(int=7),
        school_id=UUID(int=2),
        student_id=UUID(int=3),
        recipient_id=UUID(int=4),
        attempts=1,
        email="mother@example.org",
        language="ru",
        given_name="Анна",
        school_name="Школа № 1",
        consent_id=UUID(int=5),
        consent_revision=1,
        claimed_at=AT,
        items=items or (GRADE,),
    )
    return replace(letter, **different)


def news(kind: Kind, on: date | None = None, /, **content: Any) -> NewsItem:
    """Something beside results."""
    return NewsItem(UUID(int=9), 1, kind, on, "current", correction=False, content=content, changed_at=AT)


LONG_TOPIC = (
    "Превращение обыкновенных дробей в десятичные и обратно; периодические дроби и "
    "достопримечательнейшиеприлагательныебезпробелов"
)
MARK = news(Kind.MARK, date(2026, 10, 22), subject="Алгебра", value="5", work_type="control_work")
COMMENTED = news(
    Kind.MARK, date(2026, 10, 23), subject="Физика", value="3", work_type="lab", comment="Вывод не обоснован."
)
HOMEWORK = news(
    Kind.HOMEWORK,
    date(2026, 10, 26),
    subject="Русский язык",
    text="Упражнения 112–114.\nПовторить правила написания НЕ с причастиями.",
    due_on="2026-10-26",
    attachments=2,
)
LONG_HOMEWORK = news(
    Kind.HOMEWORK, date(2026, 10, 27), subject="Математика", text=LONG_TOPIC, due_on="2026-10-27", attachments=0
)
RECOMMENDATION = news(
    Kind.RECOMMENDATION,
    date(2026, 10, 22),
    subject="Литература",
    kind="recommendation",
    text="Стоит читать вслух по десять минут в день: техника чтения улучшится.",
)
FORECAST = news(
    Kind.FORECAST,
    subject="Алгебра",
    period_kind="quarter",
    period_number=1,
    leading="4",
    band="likely",
    probability=0.648,
    marks_counted=5,
    needed=[
        {"code": "marks_needed", "grade": "5", "mark": "5", "count": 2, "work_type": "control_work"},
        {"code": "marks_needed", "grade": "5", "mark": "5", "count": 5, "work_type": "answer"},
    ],
)
EARLY = news(
    Kind.FORECAST,
    subject="Физика",
    period_kind="quarter",
    period_number=1,
    leading="3",
    band="early",
    probability=0.4,
    marks_counted=2,
    needed=[],
)
REPLACED = news(
    Kind.TIMETABLE_CHANGE,
    date(2026, 10, 24),
    what="replaced",
    number=3,
    subject="Алгебра",
    new_subject="Физика",
    new_room="12",
)
MOVED = news(
    Kind.TIMETABLE_CHANGE,
    date(2026, 10, 24),
    what="moved",
    number=5,
    subject="Химия",
    moved_to_on="2026-10-26",
    moved_to_number=6,
)
CANCELLED = news(Kind.TIMETABLE_CHANGE, date(2026, 10, 24), what="cancelled", number=6, subject="Музыка")
NEW_DAY = news(
    Kind.TIMETABLE_CHANGE,
    date(2026, 10, 24),
    what="timetable",
    lessons=[
        {"number": 1, "subject": "Алгебра", "room": "12", "starts_at": "08:30:00"},
        {"number": 2, "subject": "Физическая культура"},
    ],
)


def results() -> Letter:
    """A quarter's end with everything that results may be."""
    return a_letter(GRADE, replace(GRADE, subject_title="Физика", value="незач"), EXAM, DEFERRAL, CORRECTION)


def news_at_once() -> Letter:
    """Changes for tomorrow, and a mark."""
    told = (REPLACED, MOVED, CANCELLED, NEW_DAY, MARK)
    return a_letter(items=(), occasion="news", news=told)


def digest() -> Letter:
    """A week's digest with long texts."""
    told = (MARK, COMMENTED, HOMEWORK, LONG_HOMEWORK, RECOMMENDATION, FORECAST, EARLY)
    return a_letter(
        items=(),
        occasion="digest",
        news=told,
        given_name="Анна-Мария-Александра-Виктория",
        school_name="Муниципальное бюджетное общеобразовательное учреждение «Средняя общеобразовательная школа № 1»",
    )


OCCASIONS = {"results": results, "news": news_at_once, "digest": digest}
