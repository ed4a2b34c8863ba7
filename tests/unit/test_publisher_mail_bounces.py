"""What a mail that came back says, whoever reports it and however badly."""

import base64
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.publisher.mail.bounces import MAX_BYTES, NoBounce, Severity, address_digest, read_bounce, severity_of
from services.publisher.mail.bouncing import Patience
from tests.support.bounces import DOMAIN, a_report

NUMBER = UUID("6f1f3c1e-9f0a-4c55-8a39-0d3b6a1c2e4f")
ELSEWHERE = "postmaster@relay.example.net"
NOTHING = ""


def read(raw: bytes, envelope_to: str | None = None):
    return read_bounce(raw, [DOMAIN], envelope_to)


def test_an_ordinary_report_is_understood():
    found = read(a_report(NUMBER))
    assert found.notification_id == NUMBER
    assert (found.severity, found.status) == (Severity.ADDRESS, "5.1.1")
    assert found.address_sha256 == address_digest("MOTHER@example.com ")


@pytest.mark.parametrize(
    "raw",
    [
        a_report(NUMBER, returned=NOTHING),
        a_report(NUMBER, to=ELSEWHERE),
        a_report(NUMBER, to=ELSEWHERE).replace(b"text/rfc822-headers", b"message/rfc822"),
        a_report(NUMBER, to=ELSEWHERE, returned=NOTHING).replace(
            b"Auto-Submitted:", f"In-Reply-To: <{NUMBER}@example.org>\r\nAuto-Submitted:".encode()
        ),
        a_report(NUMBER, to=f"BOUNCE+{str(NUMBER).upper()}@Example.org", returned=NOTHING),
    ],
    ids=["return address", "returned headers", "returned message", "answer", "upper case"],
)
def test_the_mail_is_found_by_whatever_names_it(raw):
    assert read(raw).notification_id == NUMBER


def test_the_address_of_the_envelope_comes_first():
    other = UUID(int=5)
    assert read(a_report(NUMBER), f"bounce+{other}@example.org").notification_id == other


@pytest.mark.parametrize(
    ("status", "diagnostic", "read_as"),
    [
        ("5.0.0", "smtp; 550 5.1.1 unknown", "5.1.1"),
        ("5.1.1 (bad destination mailbox)", "", "5.1.1"),
        ("5.0.0", "smtp; 550 unknown", "5.0.0"),
        ("", "smtp; 552 mailbox full", "5.0.0"),
        ("", "x-unix; 452-4.2.2 full", "4.2.2"),
        ("5.7.1", "smtp; 550 5.1.1 unknown", "5.7.1"),
        ("4.4.1", "", "4.4.1"),
    ],
)
def test_the_most_exact_code_counts(status, diagnostic, read_as):
    assert read(a_report(NUMBER, status, diagnostic=diagnostic)).status == read_as


@pytest.mark.parametrize(
    ("status", "severity"),
    [
        ("5.1.1", Severity.ADDRESS),
        ("5.1.2", Severity.ADDRESS),
        ("5.1.6", Severity.ADDRESS),
        ("5.1.10", Severity.ADDRESS),
        ("5.2.1", Severity.ADDRESS),
        ("5.7.1", Severity.POLICY),
        ("5.7.26", Severity.POLICY),
        ("5.0.0", Severity.POLICY),
        ("5.1.8", Severity.POLICY),
        ("5.2.2", Severity.SOFT),
        ("5.4.7", Severity.SOFT),
        ("4.2.2", Severity.SOFT),
        ("4.4.7", Severity.SOFT),
    ],
)
def test_what_a_code_says_of_the_address(status, severity):
    assert severity_of(status) is severity


def test_an_address_that_does_not_exist_is_believed_at_once_and_others_get_their_chances():
    patience = Patience(soft_bounces=5, policy_bounces=3)
    assert [patience.exhausted(Severity.ADDRESS, count) for count in (1,)] == [True]
    assert [patience.exhausted(Severity.POLICY, count) for count in (2, 3)] == [False, True]
    assert [patience.exhausted(Severity.SOFT, count) for count in (4, 5)] == [False, True]


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_what_has_not_failed_is_no_bounce(action):
    with pytest.raises(NoBounce, match="not_failed"):
        read(a_report(NUMBER, "4.4.1" if action == "delayed" else "2.0.0", action=action))


def test_a_report_without_an_action_is_one_if_its_status_is_permanent():
    raw = a_report(NUMBER).replace(b"Action: failed\r\n", b"")
    assert read(raw).status == "5.1.1"
    with pytest.raises(NoBounce, match="not_failed"):
        read(a_report(NUMBER, "4.4.1", diagnostic="").replace(b"Action: failed\r\n", b""))


@pytest.mark.parametrize(
    "kind", ["multipart/mixed", "multipart/report", 'Multipart/Report; Report-Type="delivery-status"']
)
def test_the_status_part_is_enough_whatever_stands_around_it(kind):
    assert read(a_report(NUMBER, kind=kind)).status == "5.1.1"


def test_a_status_part_in_base64_is_read_though_its_type_forbids_that():
    raw = a_report(NUMBER)
    head, _, rest = raw.partition(b"Content-Type: message/delivery-status\r\n\r\n")
    status, mark, tail = rest.partition(b"\r\n--B/relay")
    coded = base64.encodebytes(status)
    raw = b"".join(
        [head, b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n", coded, mark, tail]
    )
    found = read(raw)
    assert (found.notification_id, found.status) == (NUMBER, "5.1.1")


@pytest.mark.parametrize("charset", [b"foo", b"idna", b"a\0b"], ids=["unknown", "idna", "NUL"])
def test_a_status_part_in_a_charset_that_cannot_be_is_unreadable_and_never_breaks_the_reader(charset):
    raw = a_report(NUMBER)
    head, _, rest = raw.partition(b"Content-Type: message/delivery-status\r\n\r\n")
    _, mark, tail = rest.partition(b"\r\n--B/relay")
    coded = (
        b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"Content-Type: text/plain; charset=" + charset + b"\r\n\xff\xfe"
    )
    with pytest.raises(NoBounce, match="unreadable"):
        read(b"".join([head, coded, mark, tail]))


def test_blank_lines_and_bare_line_feeds_do_not_hide_the_recipient():
    raw = (
        a_report(NUMBER).replace(b"\r\n\r\nFinal-Recipient", b"\r\n\r\n\r\n\r\nFinal-Recipient").replace(b"\r\n", b"\n")
    )
    assert read(raw).status == "5.1.1"


def test_one_that_failed_among_others_that_did_not_counts():
    raw = a_report(NUMBER).replace(
        b"Final-Recipient: rfc822; mother",
        b"Final-Recipient: rfc822; archive@example.org\r\nAction: relayed\r\nStatus: 2.0.0\r\n\r\n"
        b"Final-Recipient: rfc822; mother",
        1,
    )
    assert read(raw).address_sha256 == address_digest("mother@example.com")


def test_a_report_about_somebody_elses_mail_is_not_ours():
    foreign = a_report(NUMBER, to=ELSEWHERE).replace(b"@example.org>\r\nSubject: Re", b"@example.net>\r\nSubject: Re")
    with pytest.raises(NoBounce, match="not_ours"):
        read(foreign)


@pytest.mark.parametrize(
    "raw",
    [b"", b"Subject: Re: New result\r\n\r\nThank you", b"\xff\xfe\x00", b"Content-Type: multipart/report\r\n\r\n"],
)
def test_an_answer_or_rubbish_is_no_report(raw):
    with pytest.raises(NoBounce, match="no_report"):
        read(raw)


def test_a_message_that_is_too_long_is_not_parsed():
    with pytest.raises(NoBounce, match="too_long"):
        read(a_report(NUMBER) + b"x" * MAX_BYTES)


@pytest.mark.parametrize("kind", [b'multipart/mixed; boundary="b"', b"message/rfc822", b"message/\r\n rfc822"])
def test_nested_messages_are_not_descended_into_for_ever(kind):
    raw = (b"Content-Type: " + kind + b"\r\n\r\n--b\r\n") * 3000
    with pytest.raises(NoBounce, match=r"too_deep|too_long"):
        read(raw)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_spoilt_report_is_read_or_refused_and_never_breaks_the_reader(data):
    raw = bytearray(a_report(NUMBER))
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
    try:
        found = read(bytes(raw))
    except NoBounce:
        return
    assert found.status[0] in "45"
