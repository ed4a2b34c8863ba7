"""Writes a mail: headers, text and HTML. Pure; the same letter gives the same message."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.publisher.domain.letters import Letter
from services.publisher.mail.sections import Contents, contents
from services.publisher.mail.signing import Signer
from services.publisher.mail.unsubscribe import Tokens
from services.publisher.mail.wording import WORDS

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html.j2"], default_for_string=True, default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEXT = _TEMPLATES.get_template("letter.txt.j2")
_HTML = _TEMPLATES.get_template("letter.html.j2")
_PLAIN_HEADER = 60


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
    """Where mails are ended by whoever signs in; used while there is no one click."""
    one_click_url: str | None = None
    """Where tokens are taken: `https://…/unsubscribe`. Needs `tokens`."""
    tokens: Tokens | None = None
    unsubscribe_mailbox: str | None = None
    """Where a mail with the token as its subject is taken."""
    return_address: str | None = None
    """Where bounces go; each mail gets `local+<its id>@domain`. The sender when there is none."""
    feedback: str | None = None
    """Names the installation in Feedback-ID, by which some providers show complaints."""
    signer: Signer | None = None

    def page_for(self, letter: Letter) -> str:
        """Where this letter's recipient ends the mails about this child."""
        if self.one_click_url is None or self.tokens is None:
            return self.unsubscribe_url
        return f"{self.one_click_url.rstrip('/')}/{self.tokens.make(letter.recipient_id, letter.student_id)}"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it goes over the wire."""

    sender: str
    """Of the envelope: where it comes back to."""
    recipient: str
    content: bytes


def message_id(notification_id: UUID, sender: str) -> str:
    """The Message-ID of a notification: the same in every attempt, so that a repeated mail can be told apart."""
    return f"<{notification_id}@{sender.rpartition('@')[2]}>"


def compose(letter: Letter, head: Letterhead, at: datetime) -> Mail:
    """Writes the mail that a letter asks for.

    Args:
        letter: That is not empty.
        head: The installation's sender and links.
        at: The mail's date.

    Raises:
        UnusableAddress: the recipient's address is none.
    """
    if letter.email is None:
        raise UnusableAddress("no address")
    language = letter.language if letter.language in WORDS else "ru"
    said = contents(letter, language)
    page = head.page_for(letter)
    content = _message(
        [
            _list_headers(letter, head, page),
            f"From: {_sender(head.sender, head.sender_name)}",
            f"To: {recipient_address(letter.email)}",
            f"Subject: {_encoded(said.subject, 'Subject')}",
            f"Date: {format_datetime(at)}",
            f"Message-ID: {message_id(letter.notification_id, head.sender)}",
            "Auto-Submitted: auto-generated",
            f"Content-Language: {language}",
        ],
        _view(letter, head, said, language) | {"unsubscribe_url": page},
        f"=_{letter.notification_id.hex}",
    )
    if head.signer is not None:
        content = head.signer.sign(content, at)
    return Mail(return_path(letter.notification_id, head), letter.email, content)


def _message(headers: Sequence[str], view: Mapping[str, object], boundary: str) -> bytes:
    """The message of a text and an HTML part.

    The library's `EmailMessage` takes longer over this than the mail server over taking it, and folds long addresses
    in List-Unsubscribe into encoded words, which nobody reads as addresses.
    """
    lines = [*headers, "MIME-Version: 1.0", f'Content-Type: multipart/alternative; boundary="{boundary}"', ""]
    for kind, template in (("plain", _TEXT), ("html", _HTML)):
        coded = base64.encodebytes(template.render(view).replace("\n", "\r\n").encode()).decode("ascii")
        part = [f"--{boundary}", f'Content-Type: text/{kind}; charset="utf-8"', "Content-Transfer-Encoding: base64", ""]
        lines += [*part, *coded.splitlines()]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode("ascii")


def _encoded(text: str, name: str) -> str:
    """A text for a header, in encoded words (RFC 2047) where it is not plain ASCII."""
    plain = " ".join(text.split())
    if plain.isascii() and plain.isprintable() and len(plain) < _PLAIN_HEADER and "=?" not in plain:
        return plain
    return Header(plain, "utf-8", header_name=name).encode(linesep="\r\n")


@lru_cache(maxsize=16)
def _sender(address: str, name: str) -> str:
    """The From header: the same in every mail."""
    if name.isascii():
        return str(Address(name, addr_spec=address))
    return f"{_encoded(name, 'From')} <{Address(addr_spec=address).addr_spec}>"


def _list_headers(letter: Letter, head: Letterhead, page: str) -> str:
    """RFC 2369 and RFC 8058: how mail programs offer to end these mails."""
    ways = [f"<{page}>"]
    one_click = head.one_click_url is not None and head.tokens is not None
    if head.tokens is not None and head.unsubscribe_mailbox:
        token = head.tokens.make(letter.recipient_id, letter.student_id)
        ways.append(f"<mailto:{head.unsubscribe_mailbox}?subject={token}>")
    headers = ["List-Unsubscribe: " + ",\r\n ".join(ways)]
    # One click is promised only where it is kept, and by RFC 8058 that is over TLS.
    if one_click and page.startswith("https://"):
        headers.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    if head.feedback:
        headers.append(f"Feedback-ID: {letter.occasion}:{head.feedback}")
    return "\r\n".join(headers)


def return_path(notification_id: UUID, head: Letterhead) -> str:
    """The envelope's sender: an address of this mail's own, so that a bounce names the mail whatever it quotes."""
    if head.return_address is None:
        return head.sender
    local, _, domain = head.return_address.rpartition("@")
    return f"{local}+{notification_id}@{domain}"


def _view(letter: Letter, head: Letterhead, said: Contents, language: str) -> dict[str, object]:
    own = letter.recipient_id == letter.student_id
    words = WORDS[language]
    return {
        "language": language,
        "words": words,
        "subject": said.subject,
        "intro": said.intro,
        "sections": said.sections,
        "school": letter.school_name,
        "cabinet_url": head.cabinet_url,
        "unsubscribe": words["unsubscribe_own" if own else "unsubscribe"],
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
