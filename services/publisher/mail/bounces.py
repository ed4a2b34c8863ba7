"""Reads what mail servers send back: delivery status notifications (RFC 3464 in RFC 6522). Pure.

Which mail it is about is found, in this order, in the address that the bounce came to (we give every mail a return
address of its own), and in the Message-ID of the returned message. Everything in it was written by strangers: sizes,
parts and nesting are bounded before anything is parsed, and nothing but codes is taken over.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

MAX_BYTES: Final = 1024 * 1024
_MAX_CONTAINERS: Final = 40
"""Multiparts and enclosed messages: the parser descends into each."""
_MAX_STATUS_BYTES: Final = 64 * 1024
_MAX_RECIPIENTS: Final = 50

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CONTAINER: Final = re.compile(rb"(?im)boundary\s*\*?\d*\*?\s*=|^content-type:\s*(?:\r?\n[ \t]+)?message/")
_RETURN_ADDRESS: Final = re.compile(rf"(?i)[+=-]({_UUID})@([a-z0-9.-]+)")
_MESSAGE_ID: Final = re.compile(rf"(?i)<({_UUID})@([a-z0-9.-]+)>")
_STATUS: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_REPLY_CODE: Final = re.compile(r"\b([45])\d\d\b")
_SENT_TO: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_ANSWERS_TO: Final = ("In-Reply-To", "References", "X-Failed-Message-ID")


class Severity(StrEnum):
    """What a bounce says about the address."""

    ADDRESS = "address"
    """It does not exist or takes nothing any more: nothing is sent there again."""
    POLICY = "policy"
    """Refused for another permanent reason, e.g. what its provider thinks of us: not the address's fault at once."""
    SOFT = "soft"
    """A temporary state that lasted too long: a full mailbox, a server that was away."""


class NoBounce(ValueError):  # noqa: N818 - says what is wrong
    """The message says of no mail of ours that it could not be delivered. The reason is a code."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail of ours that could not be delivered."""

    notification_id: UUID
    severity: Severity
    status: str
    """An enhanced status code (RFC 3463), as exact as the report has it."""
    address_sha256: bytes | None
    """Of the recipient as the report names it."""
    digest: bytes
    """Of the report: the same one that is read again changes nothing."""


# RFC 3463 and the registry of enhanced status codes: what is wrong with the address itself, not with us or the moment.
_ADDRESS_FAULTS: Final = frozenset(
    {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.0", "5.2.1", "5.4.4"}
)
# Permanent by their class, passing by their nature: a full mailbox, an expired time of delivery, a server's own state.
_PASSING: Final = frozenset({"5.2.2", "5.4.7", "5.3.1", "5.3.2", "5.4.1", "5.4.5"})


def severity_of(status: str) -> Severity:
    """What an enhanced status code says about the address.

    Args:
        status: `4.…` or `5.…`.
    """
    if status.startswith("4") or status in _PASSING:
        return Severity.SOFT
    return Severity.ADDRESS if status in _ADDRESS_FAULTS else Severity.POLICY


def address_digest(address: str) -> bytes:
    """Under which an address is remembered without being kept: upper and lower case are the same."""
    return sha256(address.strip().lower().encode()).digest()


def read_bounce(raw: bytes, domains: Sequence[str], envelope_to: str | None = None) -> Bounce:
    """Reads a message from the mailbox that bounces come to.

    Args:
        raw: the message.
        domains: of our return addresses and Message-IDs; others are not ours.
        envelope_to: the address it was delivered to, where the way in knows it.

    Raises:
        NoBounce: `too_long`, `too_deep`, `unreadable`, `no_report`, `not_failed`, `not_ours`.
    """
    message = read_message(raw)
    try:
        return _bounce(message, raw, domains, envelope_to)
    except NoBounce:
        raise
    except Exception as error:
        # What the library raises for what strangers wrote is not bounded: an unknown charset, a NUL in its name, …
        raise NoBounce("unreadable") from error


def _bounce(message: Message, raw: bytes, domains: Sequence[str], envelope_to: str | None) -> Bounce:
    report = _report(message)
    failures = [_failure(block) for block in report]
    failed = next((one for one in failures if one is not None), None)
    if failed is None:
        raise NoBounce("not_failed")
    status, address = failed
    notification_id = _whose(message, {one.lower() for one in domains}, envelope_to)
    if notification_id is None:
        raise NoBounce("not_ours")
    return Bounce(
        notification_id,
        severity_of(status),
        status,
        address_digest(address) if address else None,
        sha256(raw).digest(),
    )


def read_message(raw: bytes) -> Message:
    """Parses a message of bounded size and depth.

    Raises:
        NoBounce: `too_long`, `too_deep`, `unreadable`.
    """
    if len(raw) > MAX_BYTES:
        raise NoBounce("too_long")
    if len(_CONTAINER.findall(raw)) > _MAX_CONTAINERS:
        raise NoBounce("too_deep")
    try:
        return BytesParser(policy=compat32).parsebytes(raw)
    except Exception as error:
        raise NoBounce("unreadable") from error


def _report(message: Message) -> list[Message]:
    """The blocks about recipients of the first status part, also where the rest is not by the book."""
    for part in message.walk():
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            blocks = _blocks(part)
            # The first block is about the message, but for reports that leave it out.
            return [one for one in blocks if "Final-Recipient" in one or "Action" in one or "Status" in one][
                :_MAX_RECIPIENTS
            ]
    raise NoBounce("no_report")


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if isinstance(payload, list) and encoding not in ("base64", "quoted-printable"):
        return [one for one in payload if isinstance(one, Message)]
    text = _decoded(part, payload)
    parser = BytesHeaderParser(policy=compat32)
    return [parser.parsebytes(block) for block in re.split(rb"(?:\r?\n){2,}", text.strip()) if block]


def _decoded(part: Message, payload: object) -> bytes:
    """The status text of a part whose transfer encoding the parser did not undo, since the type forbids it."""
    if isinstance(payload, list):
        text = "\n\n".join(one.as_string() if isinstance(one, Message) else str(one) for one in payload)
    else:
        text = str(payload)
    shell = Message()
    shell["Content-Transfer-Encoding"] = str(part.get("Content-Transfer-Encoding", "7bit"))
    shell.set_payload(text[:_MAX_STATUS_BYTES].strip())
    decoded = shell.get_payload(decode=True)
    return decoded[:_MAX_STATUS_BYTES] if isinstance(decoded, bytes) else b""


def _failure(block: Message) -> tuple[str, str | None] | None:
    """Status and address of a recipient that failed; None for one that did not, or not yet."""
    action = str(block.get("Action", "")).split("(")[0].strip().lower()
    status = _exact_status(str(block.get("Status", "")), str(block.get("Diagnostic-Code", "")))
    if status is None or (action and action != "failed") or (not action and not status.startswith("5")):
        return None
    recipient = str(block.get("Original-Recipient") or block.get("Final-Recipient") or "")
    kind, _, address = recipient.rpartition(";")
    address = address.strip().strip("<>")
    return status, address if "@" in address and kind.strip().lower() in ("rfc822", "utf-8", "") else None


def _exact_status(status: str, diagnostic: str) -> str | None:
    """The status, or the diagnostic's own where the status only says that something is wrong (x.0.0)."""
    stated = _STATUS.search(status)
    said = _STATUS.search(diagnostic)
    if stated and stated[1] == "2":
        return None
    if said and said[1] != "2" and (stated is None or stated[2] == "0"):
        return said[0]
    if stated:
        return stated[0]
    code = _REPLY_CODE.search(diagnostic)
    return f"{code[1]}.0.0" if code else None


def _whose(message: Message, domains: set[str], envelope_to: str | None) -> UUID | None:
    addressed = [envelope_to or "", *(str(value) for name in _SENT_TO for value in message.get_all(name, []))]
    for found in _found(_RETURN_ADDRESS, addressed, domains):
        return found
    for part in message.walk():
        kind = part.get_content_type()
        if kind in (
            "message/rfc822",
            "message/global",
            "text/rfc822-headers",
            "message/global-headers",
            "message/rfc822-headers",
        ):
            for found in _found(_MESSAGE_ID, _returned_ids(part), domains):
                return found
    answers = [str(value) for name in _ANSWERS_TO for value in message.get_all(name, [])]
    return next(_found(_MESSAGE_ID, answers, domains), None)


def _returned_ids(part: Message) -> list[str]:
    payload = part.get_payload()
    if isinstance(payload, list):
        return [str(one.get("Message-ID", "")) for one in payload if isinstance(one, Message)]
    decoded = part.get_payload(decode=True)
    text = decoded if isinstance(decoded, bytes) else str(payload).encode(errors="replace")
    return [str(BytesHeaderParser(policy=compat32).parsebytes(text[:_MAX_STATUS_BYTES].lstrip()).get("Message-ID", ""))]


def _found(pattern: re.Pattern[str], texts: Sequence[str], domains: set[str]) -> Iterator[UUID]:
    for text in texts:
        for match in pattern.finditer(text[:10_000]):
            if match[2].lower() in domains:
                yield UUID(match[1])
