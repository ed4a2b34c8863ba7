"""Writes a mail: headers, text and HTML. Pure; the same letter gives the same message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.publisher.domain.letters import Letter
from services.publisher.mail.wording import WORDS, occasion, outcome

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html.j2"], default_for_string=True, default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEXT = _TEMPLATES.get_template("results.txt.j2")
_HTML = _TEMPLATES.get_template("results.html.j2")


class UnusableAddress(ValueError):  # noqa: N818 - says what is wrong
    """The address can never take a mail."""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all mails of an installation have in common."""

    sender: str
    """Address that mails come from."""
    sender_name: str
    cabinet_url: str
    unsubscribe_url: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it goes over the wire."""

    sender: str
    recipient: str
    content: bytes


def message_id(notification_id: UUID, sender: str) -> str:
    """The Message-ID of a notification: the same in every attempt, so that a repeated mail can be told apart."""
    return f"<{notification_id}@{sender.rpartition('@')[2]}>"


def compose(letter: Letter, head: Letterhead, at: datetime) -> Mail:
    """Writes the mail that a letter asks for.

    Args:
        letter: With at least one item.
        head: The installation's sender and links.
        at: The mail's date.

    Raises:
        UnusableAddress: the recipient's address is none.
    """
    if letter.email is None:
        raise UnusableAddress("no address")
    language = letter.language if letter.language in WORDS else "ru"
    words = WORDS[language]
    name = " ".join(letter.given_name.split())
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(head.sender_name, addr_spec=head.sender)
    message["To"] = recipient_address(letter.email)
    message["Subject"] = words["subject_one" if len(letter.items) == 1 else "subject"].format(name=name)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id(letter.notification_id, head.sender)
    message["List-Unsubscribe"] = f"<{head.unsubscribe_url}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = language
    view = _view(letter, head, words, language, name)
    message.set_content(_TEXT.render(view), cte="base64")
    message.add_alternative(_HTML.render(view), subtype="html", cte="base64")
    return Mail(head.sender, letter.email, message.as_bytes())


def _view(letter: Letter, head: Letterhead, words: Mapping[str, str], language: str, name: str) -> dict[str, object]:
    own = letter.recipient_id == letter.student_id
    return {
        "language": language,
        "words": words,
        "intro": words["intro_own" if own else "intro"].format(name=name),
        "rows": [
            {"subject": item.subject_title, "occasion": occasion(item, language), "outcome": outcome(item, language)}
            for item in letter.items
        ],
        "school": letter.school_name,
        "cabinet_url": head.cabinet_url,
    }


def recipient_address(email: str) -> Address:
    """The address for the header.

    Raises:
        UnusableAddress: it is none, or needs SMTPUTF8, which not every server on the way can do.
    """
    _, plain = parseaddr(email)
    if plain != email or not email.isascii():
        raise UnusableAddress("not a plain address")
    try:
        return Address(addr_spec=email)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise UnusableAddress("not an address") from error
