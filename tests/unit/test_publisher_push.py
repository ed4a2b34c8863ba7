"""Push without a database: which addresses may be called, what a message says, what answers mean."""

import base64
import json
import socket
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID, uuid4

import pytest
from aiohttp.abc import AbstractResolver
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.domain.letters import Item, Letter, NewsItem
from services.publisher.domain.preferences import Kind
from services.publisher.domain.states import NotificationState
from services.publisher.push.client import NotPublic, PublicResolver, encrypt
from services.publisher.push.endpoints import BrowserKeys, Endpoint, PushHosts, UnusableSubscription, is_public
from services.publisher.push.message import PADDED_BYTES, compose
from services.publisher.push.vapid import VapidKey, VapidTokens
from services.publisher.push.verdicts import (
    Answer,
    Fate,
    Standing,
    conclude,
    judge,
    refusals_are_ours,
    retry_after_seconds,
)
from services.publisher.settings import Settings
from sutki.stack.push_browser import BadToken, Browser, base64url, verify_vapid

NOW = datetime(2026, 10, 23, 11, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def an_item(**different) -> Item:
    values = {
        "result_id": uuid4(),
        "value_revision": 1,
        "kind": "final_grade",
        "state": "set",
        "subject_title": "Алгебра",
        "title": None,
        "period_kind": "quarter",
        "period_number": 1,
        "value": "4",
        "score": None,
        "max_score": None,
        "deferred_until": None,
    }
    return Item(**{**values, **different})


def a_letter(*items: Item, **different) -> Letter:
    values = {
        "notification_id": uuid4(),
        "school_id": uuid4(),
        "student_id": UUID(int=7),
        "recipient_id": UUID(int=8),
        "attempts": 1,
        "email": None,
        "language": "ru",
        "given_name": "Анна",
        "school_name": "Школа № 1",
        "consent_id": uuid4(),
        "consent_revision": 1,
        "claimed_at": NOW,
        "items": items,
        "channel": "push",
    }
    return Letter(**{**values, **different})


def some_news(kind: Kind) -> NewsItem:
    return NewsItem(uuid4(), 1, kind, date(2026, 10, 23), "current", False, {"subject": "Физика", "value": "2"}, NOW)


# Endpoints


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc:def_-1", "fcm.googleapis.com"),
        ("https://updates.push.services.mozilla.com/wpush/v2/gAAA=", "updates.push.services.mozilla.com"),
        ("https://web.push.apple.com/QGuQyavXutnMH", "*.push.apple.com"),
        ("https://wns2-par02p.notify.windows.com/w/?token=BQYAAAD%2bx", "*.notify.windows.com"),
    ],
)
def test_the_endpoints_of_browsers_are_accepted(url, service):
    endpoint = PushHosts().endpoint(url)
    assert (endpoint.url, endpoint.service) == (url, service)
    assert url.startswith(endpoint.origin + "/")


@pytest.mark.parametrize(
    "url",
    [
        "http://fcm.googleapis.com/x",
        "HTTPS://fcm.googleapis.com/x",
        "https://fcm.googleapis.com",
        "https://fcm.googleapis.com/",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com:0/x",
        "https://fcm.googleapis.com:99999/x",
        "https://FCM.googleapis.com/x",
        "https://fcm.googleapis.com./x",
        "https://fcm.googleapis.com@10.0.0.1/x",
        "https://user:secret@fcm.googleapis.com/x",
        "https://fcm.googleapis.com\\@10.0.0.1/x",
        "https://10.0.0.1/fcm.googleapis.com",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://2130706433/x",
        "https://localhost/x",
        "https://evil.org/x",
        "https://fcm.googleapis.com.evil.org/x",
        "https://evilpush.apple.com/x",
        "https://push.apple.com/x",
        "https://evil-fcm.googleapis.com/x",
        "https://fcm.googleapis.com/x#y",
        "https://fcm.googleapis.com/x y",
        "https://fcm.googleapis.com/x\r\nHost: evil.org",
        "https://fcm.googleapis.com/é",
        "https://fcm。googleapis.com/x",
        "https://fcm.googleapis.com/" + "x" * 2048,
        "",
        "file:///etc/passwd",
    ],
)
def test_no_other_address_is(url):
    with pytest.raises(UnusableSubscription):
        PushHosts().endpoint(url)


def test_a_private_address_is_called_only_where_it_is_listed_as_such():
    url = "https://127.0.0.1:9443/x"
    with pytest.raises(UnusableSubscription):
        PushHosts.listed("127.0.0.1:9443").endpoint(url)
    assert PushHosts.listed("", "127.0.0.1:9443").endpoint(url).origin == "https://127.0.0.1:9443"


@pytest.mark.parametrize("entry", ["https://fcm.googleapis.com", "*", "*.", "a b", "host/path", "host:x", "*.*.com"])
def test_a_list_of_push_services_with_a_wrong_entry_is_refused(entry):
    with pytest.raises(ValueError, match="not a host"):
        PushHosts.listed(f"fcm.googleapis.com,{entry}")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("142.250.74.10", True),
        ("2a00:1450:4010:c0f::5f", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:142.250.74.10", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::8efa:4a0a", True),
        ("2002:7f00:1::", False),
    ],
)
def test_what_counts_as_a_public_address(address, public):
    assert is_public(address) is public


class Names(AbstractResolver):
    """A resolver that answers as it is told."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": one, "port": port, "family": family, "proto": 0, "flags": 0}
            for one in self.addresses
        ]

    async def close(self) -> None:
        self.addresses = ()


async def test_a_name_that_leads_into_a_private_network_is_not_followed():
    hosts = PushHosts.listed("fcm.googleapis.com", "localhost:9443")
    resolver = PublicResolver(hosts, Names("142.250.74.10"))
    assert [one["host"] for one in await resolver.resolve("fcm.googleapis.com", 443)] == ["142.250.74.10"]
    rebound = PublicResolver(hosts, Names("142.250.74.10", "10.0.0.7"))
    with pytest.raises(NotPublic):
        await rebound.resolve("fcm.googleapis.com", 443)
    assert await rebound.resolve("localhost", 9443)
    with pytest.raises(NotPublic):
        await rebound.resolve("localhost", 443)


# Keys of browsers


def test_the_keys_of_a_browser_are_checked():
    wanted = Browser("https://fcm.googleapis.com/x").subscription()
    keys = BrowserKeys.read(wanted["p256dh"], wanted["auth"])
    assert (len(keys.p256dh), len(keys.auth)) == (65, 16)
    assert BrowserKeys.read(wanted["p256dh"] + "=", wanted["auth"] + "==") == keys


@pytest.mark.parametrize(
    ("p256dh", "auth", "pointer"),
    [
        (base64url(b"\x04" + bytes(64)), base64url(bytes(16)), "#/p256dh"),
        (base64url(bytes(65)), base64url(bytes(16)), "#/p256dh"),
        (base64url(bytes(33)), base64url(bytes(16)), "#/p256dh"),
        ("", base64url(bytes(16)), "#/p256dh"),
        ("+/+/" * 20, base64url(bytes(16)), "#/p256dh"),
        (None, base64url(bytes(15)), "#/auth"),
        (None, base64url(bytes(17)), "#/auth"),
        (None, "ключ", "#/auth"),
        (None, "", "#/auth"),
    ],
)
def test_keys_that_are_none_are_refused_by_name(p256dh, auth, pointer):
    good = Browser("https://fcm.googleapis.com/x").subscription()["p256dh"]
    with pytest.raises(UnusableSubscription) as refused:
        BrowserKeys.read(good if p256dh is None else p256dh, auth)
    assert refused.value.pointer == pointer


def test_nothing_of_a_subscription_shows_when_it_is_printed():
    wanted = Browser("https://fcm.googleapis.com/secret").subscription()
    endpoint = PushHosts().endpoint(wanted["endpoint"])
    keys = BrowserKeys.read(wanted["p256dh"], wanted["auth"])
    assert "secret" not in repr(endpoint)
    assert repr(keys) == "BrowserKeys()"


@given(st.binary(min_size=1, max_size=3000))
def test_only_the_browser_reads_what_was_encrypted_for_it(blob):
    payload = {"text": base64.b64encode(blob).decode()[:3000]}
    browser, other = Browser("https://fcm.googleapis.com/x"), Browser("https://fcm.googleapis.com/y")
    endpoint = Endpoint(browser.endpoint, "fcm.googleapis.com", 443, "fcm.googleapis.com")
    body = encrypt(json.dumps(payload).encode(), endpoint, BrowserKeys(browser.public, browser.auth))
    assert browser.decrypt(body) == payload
    with pytest.raises(ValueError, match="not encrypted for this browser"):
        other.decrypt(body)
    with pytest.raises(ValueError, match="not encrypted for this browser"):
        browser.decrypt(body[:-1] + bytes([body[-1] ^ 1]))


# VAPID


def test_a_token_holds_for_its_push_service_only_and_says_whom_to_ask():
    key = VapidKey.generate()
    header = VapidTokens(key, "mailto:diary@example.org").authorization("https://push.example.org:8443", NOW)
    signed_by, claims = verify_vapid(header, "https://push.example.org:8443", NOW)
    assert signed_by == key.public
    assert claims == {
        "aud": "https://push.example.org:8443",
        "exp": int((NOW + 12 * HOUR).timestamp()),
        "sub": "mailto:diary@example.org",
    }
    with pytest.raises(BadToken, match="audience"):
        verify_vapid(header, "https://push.example.com", NOW)
    with pytest.raises(BadToken, match="expired"):
        verify_vapid(header, "https://push.example.org:8443", NOW + 13 * HOUR)


def test_a_token_is_signed_once_and_anew_before_it_expires_or_when_the_clock_jumps_back():
    tokens = VapidTokens(VapidKey.generate(), "https://diary.example.org")
    origin = "https://push.example.org"
    first = tokens.authorization(origin, NOW)
    assert tokens.authorization(origin, NOW + 10 * HOUR) == first
    later = tokens.authorization(origin, NOW + 11 * HOUR)
    assert later != first
    assert tokens.authorization(origin, NOW + 11 * HOUR) == later
    verify_vapid(tokens.authorization(origin, NOW - 20 * HOUR), origin, NOW - 20 * HOUR)


@pytest.mark.parametrize("contact", ["diary@example.org", "", "tel:112", "http://example.org"])
def test_a_contact_that_no_push_service_takes_is_refused_at_the_start(contact):
    with pytest.raises(ValueError, match="contact"):
        VapidTokens(VapidKey.generate(), contact)


def pem(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_key_survives_its_file_and_every_other_file_is_refused():
    key = VapidKey.generate()
    assert VapidKey.from_pem(key.pem()).public == key.public
    assert len(base64.urlsafe_b64decode(key.public + "=")) == 65
    for wrong in (
        b"",
        b"no key",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ):
        with pytest.raises(ValueError, match="not a"):
            VapidKey.from_pem(wrong)


def test_wrong_settings_are_refused_by_name(monkeypatch, tmp_path):
    for name, value in {
        "VAPID_KEY_FILE": str(tmp_path / "missing.pem"),
        "VAPID_KEY": "no key",
        "PUSH_HOSTS": "https://fcm.googleapis.com",
        "PUSH_CONTACT": "somebody",
    }.items():
        monkeypatch.setenv("SUTKI_PUBLISHER_DATABASE_URL", "postgresql://x")
        monkeypatch.setenv("SUTKI_PUBLISHER_KAFKA_BOOTSTRAP", "x:1")
        monkeypatch.setenv(f"SUTKI_PUBLISHER_{name}", value)
        with pytest.raises(ValueError, match=name.lower()):
            Settings()
        monkeypatch.delenv(f"SUTKI_PUBLISHER_{name}")
    assert Settings().vapid() is None
    key = VapidKey.generate()
    monkeypatch.setenv("SUTKI_PUBLISHER_VAPID_KEY", key.pem().decode())
    kept = Settings().vapid()
    assert kept is not None
    assert kept.public == key.public


# What is said


def test_a_push_names_neither_the_child_nor_the_mark():
    letter = a_letter(an_item(value="2"), deadline_at=NOW + 20 * HOUR)
    message = compose(letter, DAY)
    payload = json.loads(message.payload)
    assert payload == {
        "title": "Новая итоговая отметка",
        "path": f"/children/{letter.student_id}/results",
        "language": "ru",
        "tag": message.topic,
    }
    said = message.payload.decode() + str(message.headers())
    assert not [word for word in ("Анна", "Алгебра", "Школа", str(letter.recipient_id)) if word in said]


@pytest.mark.parametrize(
    ("letter", "title"),
    [
        (a_letter(an_item(), language="en"), "A new final grade"),
        (a_letter(an_item(), language="de"), "Новая итоговая отметка"),
        (a_letter(an_item(), an_item()), "Новые итоговые отметки"),
        (a_letter(an_item(), an_item(), language="en"), "New final grades"),
        (a_letter(an_item(kind="oge", title="ОГЭ по математике")), "Новый результат испытания"),
        (a_letter(an_item(), an_item(kind="oge")), "Новые результаты"),
        (a_letter(an_item(correction=True), language="en"), "A result was corrected"),
        # That a grade was put off mostly says that the child was ill.
        (a_letter(an_item(state="deferred", deferred_until=date(2026, 11, 20))), "Новое об итоговой отметке"),
        (a_letter(occasion="news", news=(some_news(Kind.TIMETABLE_CHANGE),)), "Изменение в расписании"),
        (a_letter(occasion="news", news=(some_news(Kind.MARK), some_news(Kind.MARK))), "Новые отметки"),
        (a_letter(occasion="digest", news=(some_news(Kind.MARK),), language="en"), "News in the diary"),
    ],
)
def test_what_a_push_says_of_its_occasion(letter, title):
    payload = json.loads(compose(letter, DAY).payload)
    assert payload["title"] == title
    assert set(payload) == {"title", "path", "language", "tag"}


@pytest.mark.parametrize("occasion", ["results", "news", "digest"])
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("language", ["ru", "en"])
def test_there_are_words_for_everything_that_can_be_told(occasion, kind, language):
    for count in (1, 2):
        letter = a_letter(occasion=occasion, news=(some_news(kind),) * count, language=language)
        payload = compose(letter, DAY).payload
        title = json.loads(payload)["title"]
        assert title.strip()
        # The push service, which cannot read it, does not learn the kind of news from its size either.
        assert len(payload) == PADDED_BYTES
        assert title.isascii() is (language == "en")


def test_the_topic_is_that_of_every_attempt_and_of_a_later_message_about_the_same_child():
    first, again = a_letter(an_item()), a_letter(an_item(), an_item(), attempts=5)
    topics = {compose(one, DAY).topic for one in (first, again)}
    assert len(topics) == 1
    (topic,) = topics
    assert len(topic) == 32
    assert set(topic) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    for other in (
        a_letter(an_item(), student_id=uuid4()),
        a_letter(an_item(), recipient_id=uuid4()),
        a_letter(occasion="news", news=(some_news(Kind.MARK),)),
        a_letter(occasion="digest", news=(some_news(Kind.MARK),)),
    ):
        assert compose(other, DAY).topic != topic


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [
        (None, 86_400),
        (NOW + 20 * HOUR, 72_000),
        (NOW + 30 * HOUR, 86_400),
        (NOW + timedelta(minutes=1), 3600),
        (NOW - HOUR, 86_400),
    ],
)
def test_a_push_lives_until_its_deadline_or_a_day(deadline, seconds):
    assert compose(a_letter(an_item(), deadline_at=deadline), DAY).headers()["TTL"] == str(seconds)


@pytest.mark.parametrize(("occasion", "urgency"), [("results", "high"), ("news", "normal"), ("digest", "low")])
def test_only_what_is_critical_is_urgent(occasion, urgency):
    letter = a_letter(occasion=occasion, news=(some_news(Kind.MARK),))
    assert compose(letter, DAY).headers()["Urgency"] == urgency


# What answers mean


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.ACCEPTED),
        (201, Fate.ACCEPTED),
        (202, Fate.ACCEPTED),
        (404, Fate.GONE),
        (410, Fate.GONE),
        (429, Fate.THROTTLED),
        (401, Fate.REFUSED),
        (403, Fate.REFUSED),
        (400, Fate.REJECTED),
        (413, Fate.REJECTED),
        (301, Fate.REJECTED),
        (307, Fate.REJECTED),
        (405, Fate.REJECTED),
        (408, Fate.LATER),
        (500, Fate.LATER),
        (502, Fate.LATER),
        (503, Fate.LATER),
    ],
)
def test_what_a_status_means(status, fate):
    assert judge(status, None, 3600).fate is fate


def test_a_service_is_left_alone_as_long_as_it_asks_but_not_for_ever():
    assert judge(429, 120, 3600).wait_seconds == 120
    assert judge(429, None, 3600).wait_seconds == 60
    assert judge(429, 0, 3600).wait_seconds == 1
    assert judge(429, 10**9, 3600).wait_seconds == 3600
    assert judge(503, 90, 3600).wait_seconds == 90
    assert judge(500, None, 3600).wait_seconds == 0


@pytest.mark.parametrize(
    ("value", "date_header", "seconds"),
    [
        ("120", None, 120),
        (" 7 ", None, 7),
        ("0", None, 0),
        ("99999999999999999999", None, 1_000_000_000),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), None, 300),
        (format_datetime(NOW - timedelta(minutes=5), usegmt=True), None, 0),
        # By the clock of who says it, whatever ours says.
        (format_datetime(NOW + 3 * HOUR, usegmt=True), format_datetime(NOW + 2 * HOUR, usegmt=True), 3600),
        ("soon", None, None),
        ("-5", None, None),
        ("1.5", None, None),
        ("²", None, None),
        ("Fri, 99 Oct 2026 11:00:00 GMT", None, None),
        (None, None, None),
    ],
)
def test_both_forms_of_retry_after_are_read(value, date_header, seconds):
    assert retry_after_seconds(value, date_header, NOW) == seconds


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_breaks_the_reading_of_retry_after(value, date_header):
    seconds = retry_after_seconds(value, date_header, NOW)
    assert seconds is None or seconds >= 0


def an_answer(fate: Fate, wait: float = 0.0) -> Answer:
    return Answer(fate, None, fate.value, wait)


@pytest.mark.parametrize(
    ("fates", "state", "reason"),
    [
        ([], NotificationState.FAILED, "no_subscription"),
        ([Fate.ACCEPTED], NotificationState.SENT, None),
        ([Fate.GONE, Fate.ACCEPTED, Fate.LATER], NotificationState.SENT, None),
        ([Fate.GONE], NotificationState.FAILED, "gone"),
        ([Fate.GONE, Fate.LATER], NotificationState.RETRY, "later"),
        ([Fate.THROTTLED], NotificationState.RETRY, "throttled"),
        ([Fate.UNCLEAR], NotificationState.RETRY, "unclear"),
        ([Fate.REFUSED], NotificationState.FAILED, "refused"),
        ([Fate.SUSPENDED], NotificationState.FAILED, "suspended"),
        ([Fate.GONE, Fate.SUSPENDED, Fate.REJECTED], NotificationState.FAILED, "rejected"),
        ([Fate.REFUSED, Fate.LATER], NotificationState.RETRY, "later"),
    ],
)
def test_one_browser_that_takes_it_is_enough_and_a_failure_is_one_of_all(fates, state, reason):
    assert conclude([an_answer(fate) for fate in fates], repeatable=True)[:2] == (state, reason)


def test_a_retry_waits_for_whoever_may_be_asked_first():
    answers = [an_answer(Fate.THROTTLED, 600), an_answer(Fate.LATER, 30)]
    assert conclude(answers, repeatable=True) == (NotificationState.RETRY, "later", 30)


def test_what_may_have_arrived_is_undecided_only_where_nothing_may_be_repeated():
    answers = [an_answer(Fate.UNCLEAR), an_answer(Fate.LATER)]
    assert conclude(answers, repeatable=False)[0] is NotificationState.UNDECIDED
    assert conclude(answers, repeatable=True)[0] is NotificationState.RETRY
    assert conclude([*answers, an_answer(Fate.ACCEPTED)], repeatable=False)[0] is NotificationState.SENT


def test_a_refusal_is_about_our_key_unless_it_was_good_a_moment_ago():
    trust = timedelta(minutes=10)
    assert refusals_are_ours(Standing(), NOW, trust)
    assert refusals_are_ours(Standing(NOW - 11 * timedelta(minutes=1)), NOW, trust)
    assert not refusals_are_ours(Standing(NOW - timedelta(minutes=9)), NOW, trust)
