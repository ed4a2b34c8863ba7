"""What may be set about mails, beside the mail server itself."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.settings import ServiceSettings
from services.publisher.mail.bouncing import Patience
from services.publisher.mail.compose import Letterhead
from services.publisher.mail.mailbox import Imap, Mailbox, Maildir
from services.publisher.mail.providers import read_rates
from services.publisher.mail.signing import Signer, read_key
from services.publisher.mail.unsubscribe import Tokens, read_keys

GENTLE_RATES = (
    "gmail.com,googlemail.com=20/s; "
    "mail.ru,bk.ru,inbox.ru,list.ru,internet.ru,vk.com=20/s; "
    "yandex.ru,ya.ru,yandex.com,yandex.by,yandex.kz,narod.ru=20/s; "
    "rambler.ru,lenta.ru,ro.ru,autorambler.ru,myrambler.ru=10/s; "
    "outlook.com,hotmail.com,live.com,msn.com=10/s; "
    "icloud.com,me.com,mac.com=10/s; "
    "*=50/s"
)


class MailSettings(ServiceSettings):
    """A part of the publisher's settings."""

    mail_rates: str = GENTLE_RATES
    """How many mails each provider gets, by its domains: `gmail.com,googlemail.com=20/s; …; *=50/s` (`/m`: a minute).
    `*` is every other domain, each for itself. Shared by all processes."""
    mail_feedback_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.-]{5,30}$")
    """Names this installation in Feedback-ID, by which some providers report complaints."""
    mail_return_address: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,20}@[A-Za-z0-9.-]+$")
    """Where bounces go, e.g. `bounce@example.org`: each mail gets `bounce+<its id>@example.org`; the mail server must
    deliver with such an extension. Without it bounces go to `mail_from` and are known by the Message-ID they quote."""
    dkim_domain: str | None = None
    """Signs mails for this domain, where the relay does not. Needs `dkim_selector` and `dkim_key_file`."""
    dkim_selector: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")
    dkim_key_file: Path | None = None
    """The private key in PEM, RSA of 2,048 bits or Ed25519: `sutki keys dkim`."""
    unsubscribe_keys: SecretStr | None = None
    """Keys of the one click that ends mails: each 64 or more hexadecimal digits, several separated by commas. The first
    one signs; the others stay as long as mails with their links may lie around. Needs `unsubscribe_page_url`."""
    unsubscribe_page_url: str | None = Field(default=None, pattern=r"^https?://[^\s<>,]+$")
    """Where the public reaches this service's `/unsubscribe`, e.g. `https://diary.example.org/unsubscribe`."""
    unsubscribe_mailbox: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+$")
    """Where a mail may end mails, for programs that do not click: it must arrive in the mailbox of bounces."""
    bounces_maildir: Path | None = None
    """A Maildir that the local mail server delivers bounces into; read every `bounces_every_seconds`."""
    bounces_imap_host: str | None = None
    """A mailbox at a provider that bounces are delivered into."""
    bounces_imap_port: int = Field(default=993, ge=1, le=65535)
    bounces_imap_user: str = ""
    bounces_imap_password: SecretStr = SecretStr("")
    bounces_imap_folder: str = "INBOX"
    bounces_imap_tls: Literal["tls", "none"] = "tls"
    """`none` lets everybody on the way read the mailbox: for a server on the same machine only."""
    bounces_every_seconds: float = Field(default=30, gt=0)
    bounce_soft_limit: int = Field(default=5, ge=1)
    """So many mails that came back for a passing reason within `bounce_days` end mails to an address."""
    bounce_policy_limit: int = Field(default=3, ge=1)
    """The same for mails that its provider refused for what it thinks of us."""
    bounce_days: float = Field(default=14, gt=0)
    bounces_keep_days: float = Field(default=60, ge=7)
    """How long it is kept where mails went and which came back."""

    @field_validator("mail_rates")
    @classmethod
    def _rates(cls, text: str) -> str:
        read_rates(text)
        return text

    @field_validator("dkim_key_file")
    @classmethod
    def _a_signing_key(cls, file: Path | None) -> Path | None:
        if file is not None:
            read_key(file)
        return file

    @field_validator("unsubscribe_keys")
    @classmethod
    def _keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None:
            read_keys(keys.get_secret_value().split(","))
        return keys

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({one is None for one in (self.dkim_domain, self.dkim_selector, self.dkim_key_file)}) > 1:
            raise ValueError("dkim_domain, dkim_selector and dkim_key_file belong together")
        if (self.unsubscribe_keys is None) != (self.unsubscribe_page_url is None):
            raise ValueError("unsubscribe_keys and unsubscribe_page_url belong together")
        if self.bounces_maildir is not None and self.bounces_imap_host is not None:
            raise ValueError("bounces arrive in one mailbox: bounces_maildir or bounces_imap_host")
        return self

    def unsubscribe_tokens(self) -> Tokens | None:
        """What makes and reads the tokens of the one click; None while there are no keys."""
        return read_keys(self.unsubscribe_keys.get_secret_value().split(",")) if self.unsubscribe_keys else None

    def signer(self) -> Signer | None:
        """What signs mails; None when the relay does."""
        if self.dkim_domain is None or self.dkim_selector is None or self.dkim_key_file is None:
            return None
        return Signer(self.dkim_domain, self.dkim_selector, read_key(self.dkim_key_file))

    def completed(self, head: Letterhead) -> Letterhead:
        """A letterhead with everything that is set here."""
        return replace(
            head,
            one_click_url=self.unsubscribe_page_url,
            tokens=self.unsubscribe_tokens(),
            unsubscribe_mailbox=self.unsubscribe_mailbox,
            return_address=self.mail_return_address,
            feedback=self.mail_feedback_id,
            signer=self.signer(),
        )

    def patience(self) -> Patience:
        """How many mails may bounce."""
        return Patience(self.bounce_soft_limit, self.bounce_policy_limit, timedelta(days=self.bounce_days))

    def mailbox(self) -> Mailbox | None:
        """Where bounces arrive, if they arrive in a mailbox."""
        if self.bounces_maildir is not None:
            return Maildir(self.bounces_maildir)
        if self.bounces_imap_host is None:
            return None
        return Imap(
            self.bounces_imap_host,
            self.bounces_imap_port,
            self.bounces_imap_user,
            self.bounces_imap_password.get_secret_value(),
            self.bounces_imap_tls,
            self.bounces_imap_folder,
        )
