"""What a push says, and how it is to be treated on its way. Pure; the same letter gives the same message.

It says neither whom nor what it is about: the kind of news, the page of the cabinet that tells it, and the language. A
lock screen shows it to whoever looks.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import orjson

from services.publisher.domain.letters import Letter
from services.publisher.domain.preferences import Kind

LEAST_TTL: Final = timedelta(hours=1)
"""A message about something that is due any moment is still worth an hour's waiting for a phone that is off."""

PADDED_BYTES: Final = 384
"""Every payload has this length, white space behind its JSON: else its size would say what kind of news it is."""

_ONE: Final[Mapping[str, Mapping[Kind, str]]] = {
    "ru": {
        Kind.FINAL_GRADE: "Новая итоговая отметка",
        Kind.EXAM_RESULT: "Новый результат испытания",
        Kind.DEFERRAL: "Новое об итоговой отметке",
        Kind.CORRECTION: "Результат исправлен",
        Kind.MARK: "Новая отметка",
        Kind.TIMETABLE_CHANGE: "Изменение в расписании",
        Kind.HOMEWORK: "Домашнее задание",
        Kind.RECOMMENDATION: "Рекомендация педагога",
        Kind.FORECAST: "Прогноз успеваемости",
    },
    "en": {
        Kind.FINAL_GRADE: "A new final grade",
        Kind.EXAM_RESULT: "A new exam result",
        Kind.DEFERRAL: "News about a final grade",
        Kind.CORRECTION: "A result was corrected",
        Kind.MARK: "A new mark",
        Kind.TIMETABLE_CHANGE: "A change in the timetable",
        Kind.HOMEWORK: "Homework",
        Kind.RECOMMENDATION: "A teacher's recommendation",
        Kind.FORECAST: "Forecast of grades",
    },
}
_MANY: Final[Mapping[str, Mapping[Kind, str]]] = {
    "ru": {
        Kind.FINAL_GRADE: "Новые итоговые отметки",
        Kind.EXAM_RESULT: "Новые результаты испытаний",
        Kind.CORRECTION: "Результаты исправлены",
        Kind.MARK: "Новые отметки",
        Kind.TIMETABLE_CHANGE: "Изменения в расписании",
        Kind.HOMEWORK: "Домашние задания",
        Kind.RECOMMENDATION: "Рекомендации педагогов",
    },
    "en": {
        Kind.FINAL_GRADE: "New final grades",
        Kind.EXAM_RESULT: "New exam results",
        Kind.CORRECTION: "Results were corrected",
        Kind.MARK: "New marks",
        Kind.TIMETABLE_CHANGE: "Changes in the timetable",
        Kind.RECOMMENDATION: "Teachers' recommendations",
    },
}
_MIXED: Final[Mapping[str, Mapping[str, str]]] = {
    "ru": {"results": "Новые результаты", "news": "Новое в дневнике", "digest": "Новое в дневнике"},
    "en": {"results": "New results", "news": "News in the diary", "digest": "News in the diary"},
}
_URGENCY: Final[Mapping[str, str]] = {"results": "high", "news": "normal", "digest": "low"}


@dataclass(frozen=True, slots=True)
class PushMessage:
    """A push as it is handed over, before it is encrypted for a browser."""

    payload: bytes
    """JSON: `title`, `path`, `language`, and `tag`, by which a repeated message is shown in place of the first."""
    topic: str
    """By it a push service replaces what it has not delivered yet (RFC 8030, section 5.4)."""
    ttl_seconds: int
    urgency: str

    def headers(self) -> dict[str, str]:
        """The headers of RFC 8030."""
        return {
            "TTL": str(self.ttl_seconds),
            "Topic": self.topic,
            "Urgency": self.urgency,
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
        }


def compose(letter: Letter, longest_ttl: timedelta) -> PushMessage:
    """Writes the push that a letter asks for.

    Args:
        letter: with at least one item.
        longest_ttl: how long a push service may keep it for a browser that is away.
    """
    language = letter.language if letter.language in _ONE else "ru"
    topic = topic_of(letter)
    page = "/results" if letter.occasion == "results" else ""
    payload = {
        "title": _title(letter, language),
        "path": f"/children/{letter.student_id}{page}",
        "language": language,
        "tag": topic,
    }
    return PushMessage(
        orjson.dumps(payload).ljust(PADDED_BYTES), topic, _ttl(letter, longest_ttl), _URGENCY[letter.occasion]
    )


def topic_of(letter: Letter) -> str:
    """The same for every attempt, and for every later message about the same child that says no more than this one.

    24 bytes, which are the 32 characters of base64url that RFC 8030 allows.
    """
    digest = hashlib.sha256(b"sutki push\0" + letter.recipient_id.bytes + letter.student_id.bytes)
    digest.update(letter.occasion.encode())
    return base64.urlsafe_b64encode(digest.digest()[:24]).decode()


def _title(letter: Letter, language: str) -> str:
    kinds = {item.event_kind for item in letter.items} | {item.kind for item in letter.news}
    if letter.occasion == "digest" or len(kinds) != 1:
        return _MIXED[language][letter.occasion]
    (kind,) = kinds
    if len(letter.items) + len(letter.news) > 1:
        return _MANY[language].get(kind, _ONE[language][kind])
    return _ONE[language][kind]


def _ttl(letter: Letter, longest: timedelta) -> int:
    left = longest if letter.deadline_at is None else letter.deadline_at - letter.claimed_at
    if left <= timedelta(0):
        # What is overdue is still news; there is no deadline left to end it.
        left = longest
    return int(min(longest, max(LEAST_TTL, left)).total_seconds())
