"""The pure parts of mails: providers' rates, signatures, tokens of the one click."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.mail.compose import compose
from services.publisher.mail.providers import LONGEST_QUEUE, NO_LIMIT, Leases, UnreadableRates, read_rates, turns
from services.publisher.mail.public import Limiter
from services.publisher.mail.settings import GENTLE_RATES
from services.publisher.mail.signing import SIGNED_HEADERS, Signer, UnusableKey, read_key
from services.publisher.mail.unsubscribe import TOKEN_LENGTH, Tokens, Unsubscribing, UnusableKeys, read_keys
from tests.support.letters import AT, HEAD, KEY, a_letter, digest, news_at_once, results

RATES = read_rates("gmail.com,googlemail.com=20/s; mail.ru,bk.ru=60/m; *=50/s")
PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_the_domains_of_one_provider_share_its_rate_and_every_other_domain_has_its_own():
    assert RATES.provider("a@gmail.com") == RATES.provider("B@GoogleMail.com.")
    assert RATES.provider("a@gmail.com").rate == 20
    assert RATES.provider("a@bk.ru").rate == 1
    one, other = RATES.provider("a@one.example"), RATES.provider("a@other.example")
    assert one != other
    assert (one.rate, other.rate) == (50, 50)


def test_the_name_of_a_domain_that_may_be_a_persons_own_is_not_kept():
    assert "ivanova" not in RATES.provider("a@ivanova.example").name


def test_without_a_rate_for_everybody_else_there_is_no_limit():
    assert read_rates("").provider("a@example.org").rate == NO_LIMIT


def test_the_defaults_can_be_read():
    assert read_rates(GENTLE_RATES).provider("a@bk.ru").name == "mail.ru"


@pytest.mark.parametrize(
    "text", ["gmail.com", "=5/s", "a,=5/s", "a=5", "a=5/h", "a=x/s", "a=0/s", "a=1/s;a=2/s", "*,a=1/s"]
)
def test_rates_that_cannot_be_read_are_named(text):
    with pytest.raises(UnreadableRates, match=r"[a-z*]|expected"):
        read_rates(text)


def test_mails_that_wait_for_a_provider_are_spread_at_its_rate_behind_those_that_wait_already():
    behind = AT + timedelta(seconds=3)
    assert turns(2, 2.0, now=AT, queue_until=behind) == [behind + timedelta(seconds=0.5), behind + timedelta(seconds=1)]
    assert turns(1, 2.0, now=AT, queue_until=AT - timedelta(hours=1)) == [AT + timedelta(seconds=0.5)]
    assert turns(1, 0.001, now=AT, queue_until=AT + timedelta(days=1)) == [AT + LONGEST_QUEUE]


def test_a_lease_is_used_up_or_runs_out():
    leases = Leases()
    leases.add("a", 3, AT)
    assert [leases.use("a", 2, AT), leases.use("a", 2, AT), leases.use("a", 2, AT)] == [2, 1, 0]
    leases.add("a", 3, AT)
    assert leases.use("a", 1, AT + timedelta(seconds=1)) == 0
    leases.add("a", 3, AT)
    leases.drop("a")
    assert leases.use("a", 1, AT) == 0


def test_the_limiter_lets_a_burst_through_and_then_its_rate():
    at = [0.0]
    limiter = Limiter(rate=2, reserve=3, now=lambda: at[0])
    assert [limiter.admit() for _ in range(4)] == [True, True, True, False]
    at[0] = 0.5
    assert [limiter.admit() for _ in range(2)] == [True, False]


# Signatures


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def signed(key: RSAPrivateKey | Ed25519PrivateKey, letter=None) -> tuple[Signer, bytes]:
    signer = Signer("example.org", "s1", key)
    return signer, compose(letter or a_letter(), replace(HEAD, signer=signer), AT).content


def accepted(signer: Signer, content: bytes) -> bool:
    """Whether an independent reader accepts the signature, given our DNS record."""
    name, value = signer.dns_record()

    def look_up(asked: bytes, timeout: int = 5) -> bytes:
        assert asked.rstrip(b".") == name.encode()
        return value.encode()

    return bool(dkim.verify(content, dnsfunc=look_up))


@pytest.mark.parametrize("letter", [results, news_at_once, digest])
def test_another_implementation_accepts_our_signature(rsa, letter):
    signer, content = signed(rsa, letter())
    assert accepted(signer, content)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"List-Unsubscribe: <https://diary", b"List-Unsubscribe: <https://thief"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: nothing"),
        (b"From: ", b"From: thief@example.com\r\nFrom: "),
        (b"Subject: ", b"Subject: another\r\nSubject: "),
        (b"To: mother@", b"To: father@"),
        (b"\r\n--=_", b"\r\nadded\r\n--=_"),
    ],
)
def test_whoever_changes_a_signed_mail_on_the_way_breaks_the_signature(rsa, before, after):
    signer, content = signed(rsa)
    assert content.count(before) >= 1
    assert accepted(signer, content)
    assert not accepted(signer, content.replace(before, after, 1))


def test_the_signature_covers_everything_that_is_there(rsa):
    _, content = signed(rsa)
    field = message_from_bytes(content, policy=default)["DKIM-Signature"]
    covered = re.sub(r"\s", "", re.findall(r"\bh=([^;]*);", str(field))[0]).split(":")
    present = {name.lower() for name in message_from_bytes(content)}
    assert {name.lower() for name in SIGNED_HEADERS} <= present
    assert set(covered) == {name.lower() for name in SIGNED_HEADERS}


def test_an_ed25519_signature_is_over_the_digest_of_what_rsa_would_sign():
    key = Ed25519PrivateKey.generate()
    signer, content = signed(key)
    tags, data = _signed_data(content)
    assert tags["a"] == "ed25519-sha256"
    signature = base64.b64decode(tags["b"])
    key.public_key().verify(signature, sha256(data).digest())
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, sha256(data + b" ").digest())
    assert signer.dns_record() == (
        "s1._domainkey.example.org",
        "v=DKIM1; k=ed25519; p="
        + base64.b64encode(
            key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        ).decode(),
    )


def _signed_data(content: bytes) -> tuple[dict[str, str], bytes]:
    """What a receiver hashes (RFC 6376, 3.7), by dkimpy's own reading of the message."""
    headers, body = dkim.rfc822_parse(content)
    name, value = headers[0]
    tags = {
        part.split(b"=", 1)[0].strip().decode(): re.sub(rb"\s", b"", part.split(b"=", 1)[1]).decode()
        for part in value.strip().split(b";")
    }
    policy = dkim.CanonicalizationPolicy.from_c_value(tags["c"].encode())
    assert base64.b64decode(tags["bh"]) == sha256(policy.canonicalize_body(body)).digest()
    hasher = dkim.HashThrough(sha256(), True)
    dkim.hash_headers(
        hasher,
        policy,
        policy.canonicalize_headers(headers),
        [one.encode() for one in tags["h"].split(":")],
        (name, value),
        {one.encode(): text.encode() for one, text in tags.items()},
    )
    return tags, hasher.hashed()


def test_a_key_that_cannot_sign_is_refused(tmp_path: Path, rsa):
    def file(name: str, content: bytes, mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    good = rsa.private_bytes(*PEM)
    small = generate_private_key(public_exponent=65537, key_size=1024).private_bytes(*PEM)
    assert read_key(file("good", good)).private_bytes(*PEM) == good
    for bad in (file("open", good, 0o644), file("small", small), file("none", b"nothing"), tmp_path / "missing"):
        with pytest.raises(UnusableKey, match=str(bad)):
            read_key(bad)


# Tokens of the one click


TOKENS = Tokens((KEY,))


@given(st.uuids(), st.uuids())
def test_a_token_says_who_and_about_whom(recipient, student):
    token = TOKENS.make(recipient, student)
    assert len(token) == TOKEN_LENGTH
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert TOKENS.read(token) == Unsubscribing(recipient, student)


@given(st.binary(min_size=49, max_size=49))
def test_nobody_else_can_make_one(raw):
    assert TOKENS.read(base64.urlsafe_b64encode(b"\x01" + raw[1:]).decode().rstrip("=")) is None


def test_a_changed_token_is_none():
    raw = bytearray(base64.urlsafe_b64decode(TOKENS.make(UUID(int=1), UUID(int=2)) + "=="))
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1
        assert TOKENS.read(base64.urlsafe_b64encode(changed).decode().rstrip("=")) is None


@pytest.mark.parametrize("token", ["", "a", "ж" * 66, "a" * 66, "=" * 66, "a" * 5000])
def test_what_is_no_token_at_all_is_none(token):
    assert TOKENS.read(token) is None


def test_keys_change_without_breaking_the_links_in_old_mails():
    old = TOKENS.make(UUID(int=1), UUID(int=2))
    changed = read_keys(["ff" * 32, KEY.hex()])
    assert changed.read(old) == Unsubscribing(UUID(int=1), UUID(int=2))
    assert changed.make(UUID(int=1), UUID(int=2)) != old
    assert read_keys(["ff" * 32]).read(old) is None


@pytest.mark.parametrize("keys", [[], [""], ["ff" * 31], ["xy" * 32]])
def test_keys_that_are_too_short_or_none_are_refused(keys):
    with pytest.raises(UnusableKeys, match="key"):
        read_keys(keys)


def test_a_key_is_never_printed():
    assert KEY.hex() not in repr(TOKENS)
    assert str(KEY) not in repr(TOKENS)


# Headers


def test_a_mail_offers_to_end_the_mails_by_one_click_and_by_mail():
    one = a_letter(recipient_id=uuid4(), student_id=uuid4())
    content = compose(one, HEAD, AT).content
    message = message_from_bytes(content, policy=default)
    token = TOKENS.make(one.recipient_id, one.student_id)
    assert b"List-Unsubscribe: <https://diary.example.org/unsubscribe/" + token.encode() in content
    assert message["List-Unsubscribe"] == (
        f"<https://diary.example.org/unsubscribe/{token}>, <mailto:unsubscribe@example.org?subject={token}>"
    )
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "ru"
    assert message["Feedback-ID"] == "results:sutki-example"
    assert message["Date"].datetime == datetime(2026, 10, 23, 11, tzinfo=UTC)
    assert message["Message-ID"] == f"<{one.notification_id}@example.org>"


def test_one_click_is_promised_only_where_it_is_kept():
    for head in (replace(HEAD, tokens=None), replace(HEAD, one_click_url="http://diary.example.org/unsubscribe")):
        message = message_from_bytes(compose(a_letter(), head, AT).content, policy=default)
        assert message["List-Unsubscribe"] is not None
        assert message["List-Unsubscribe-Post"] is None


def test_each_mail_comes_back_to_an_address_of_its_own():
    assert compose(a_letter(), HEAD, AT).sender == f"bounce+{UUID(int=7)}@example.org"
    assert compose(a_letter(), replace(HEAD, return_address=None), AT).sender == "diary@example.org"


def test_the_same_letter_is_the_same_message():
    assert compose(results(), HEAD, AT) == compose(results(), HEAD, AT)
