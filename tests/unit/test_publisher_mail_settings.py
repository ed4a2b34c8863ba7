"""What may be set about mails, and what is refused at start."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from services.publisher.mail.mailbox import Imap, Maildir
from services.publisher.settings import Settings
from tests.support.letters import KEY


def settings(**different: Any) -> Settings:
    return Settings(database_url="unused", kafka_bootstrap="unused", **different)


def test_without_keys_mails_are_neither_signed_nor_ended_by_one_click():
    head = settings(cabinet_url="https://diary.example.org").sending().letterhead
    assert (head.signer, head.tokens, head.return_address) == (None, None, None)
    assert head.unsubscribe_url == "https://diary.example.org"


def test_everything_that_is_set_reaches_the_mails(tmp_path: Path):
    key = tmp_path / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    made = settings(
        dkim_domain="example.org",
        dkim_selector="s1",
        dkim_key_file=key,
        unsubscribe_keys=f"{'ff' * 32},{KEY.hex()}",
        unsubscribe_page_url="https://diary.example.org/unsubscribe",
        mail_return_address="bounce@example.org",
        mail_rates="*=3/s",
        bounce_soft_limit=7,
    )
    sending = made.sending()
    head = sending.letterhead
    assert head.signer is not None
    assert head.signer.dns_record()[0] == "s1._domainkey.example.org"
    assert head.tokens is not None
    assert len(head.tokens.keys) == 2
    assert head.return_address == "bounce@example.org"
    assert sending.rates.provider("a@example.com").rate == 3
    assert sending.patience.soft_bounces == 7
    assert KEY.hex() not in repr(made)


def test_bounces_arrive_in_a_maildir_or_by_imap():
    assert settings().mailbox() is None
    assert settings(bounces_maildir="/var/mail/bounces").mailbox() == Maildir(Path("/var/mail/bounces"))
    imap = settings(bounces_imap_host="imap.example.org", bounces_imap_user="b", bounces_imap_password="s").mailbox()
    assert imap == Imap("imap.example.org", 993, "b", "s")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mail_rates": "gmail.com=fast"}, "expected a number"),
        ({"dkim_domain": "example.org"}, "belong together"),
        ({"dkim_domain": "a", "dkim_selector": "s", "dkim_key_file": "/nowhere"}, "no private key"),
        ({"unsubscribe_keys": KEY.hex()}, "belong together"),
        ({"unsubscribe_keys": "ff", "unsubscribe_page_url": "https://x/unsubscribe"}, "32 bytes"),
        ({"unsubscribe_page_url": "diary.example.org"}, "unsubscribe_page_url"),
        ({"mail_return_address": "bounce"}, "mail_return_address"),
        ({"bounces_maildir": "/a", "bounces_imap_host": "b"}, "one mailbox"),
    ],
)
def test_what_cannot_work_is_refused_at_start(wrong, said):
    with pytest.raises(ValidationError, match=said):
        settings(**wrong)
