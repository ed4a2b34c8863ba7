"""`sutki keys`: the keys of an installation, each in a file that only its owner reads."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.publisher.domain.roots import Signer
from services.publisher.mail.signing import Signer as MailSigner
from services.publisher.push.vapid import VapidKey
from sutki.console import fail, out
from sutki.texts import tr

keys_app = typer.Typer(no_args_is_help=True, help=tr("Ключи системы", "The installation's keys"))

NewFile = Annotated[
    Path, typer.Argument(dir_okay=False, help=tr("новый файл закрытого ключа", "new file of the private key"))
]


def write_private(file: Path, content: bytes) -> None:
    """Writes a new file that only its owner reads; never over another one.

    A key that is overwritten is gone, and with it what depends on it: here, every browser's subscription.
    """
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(content)
    except FileExistsError:
        fail(
            tr(
                f"файл {file} уже есть и не тронут: укажите другое имя",
                f"{file} exists already and was left as it is: give another name",
            )
        )
    except OSError as error:
        fail(tr(f"не удалось записать {file}", f"cannot write {file}") + f": {error.strerror}")


@keys_app.command("vapid")
def vapid(file: NewFile) -> None:
    """Создать ключ для push-уведомлений / make the key by which push services know this installation (RFC 8292)."""
    key = VapidKey.generate()
    write_private(file, key.pem())
    out.print(tr("Открытый ключ", "Public key") + f": {key.public}", markup=False, soft_wrap=True)
    out.print(
        tr("Укажите его службе publisher", "Give it to the publisher")
        + f": SUTKI_PUBLISHER_VAPID_KEY_FILE={file.absolute()}",
        markup=False,
        soft_wrap=True,
    )
    out.print(
        tr(
            "Храните его: с другим ключом все браузеры придётся подписать заново.",
            "Keep it: with another key every browser has to subscribe anew.",
        )
    )


@keys_app.command("ledger")
def ledger(file: NewFile) -> None:
    """Создать ключ подписи журнала раскрытия / make the key that signs the ledger's daily roots (Ed25519)."""
    key = Ed25519PrivateKey.generate()
    write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    out.print(tr("Открытый ключ", "Public key") + f": {Signer(key).public.raw.hex()}", markup=False, soft_wrap=True)
    out.print(
        tr("Укажите его службе publisher", "Give it to the publisher")
        + f": SUTKI_PUBLISHER_LEDGER_KEY_FILE={file.absolute()}",
        markup=False,
        soft_wrap=True,
    )


@keys_app.command("dkim")
def dkim(
    file: NewFile,
    domain: Annotated[str, typer.Option(help=tr("домен отправителя писем", "the domain that mails come from"))],
    selector: Annotated[str, typer.Option(help=tr("селектор", "selector"))] = "sutki",
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help=tr("вместо RSA: понимают не все", "not RSA: some do not read it"))
    ] = False,
) -> None:
    """Создать ключ подписи писем, показать запись DNS / make the key that signs mails, show the DNS record (DKIM)."""
    key = Ed25519PrivateKey.generate() if ed25519 else generate_private_key(public_exponent=65537, key_size=2048)
    write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    name, value = MailSigner(domain, selector, key).dns_record()
    out.print(tr("Добавьте запись TXT", "Add this TXT record") + f": {name}", markup=False, soft_wrap=True)
    # A string of a TXT record has 255 characters at the most.
    out.print(" ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255)), markup=False, soft_wrap=True)
    out.print(
        tr("Укажите службе publisher", "Give these to the publisher")
        + f": SUTKI_PUBLISHER_DKIM_DOMAIN={domain} SUTKI_PUBLISHER_DKIM_SELECTOR={selector} "
        f"SUTKI_PUBLISHER_DKIM_KEY_FILE={file.absolute()}",
        markup=False,
        soft_wrap=True,
    )


@keys_app.command("unsubscribe")
def unsubscribe() -> None:
    """Создать ключ отписки в один клик / make a key of the one click that ends mails."""
    out.print(f"SUTKI_PUBLISHER_UNSUBSCRIBE_KEYS={secrets.token_hex(32)}", markup=False, soft_wrap=True)
    out.print(
        tr(
            "При смене ключа оставьте прежний вторым через запятую: ссылки в старых письмах должны работать.",
            "When you change it, keep the former one as the second, after a comma: links in old mails must work.",
        )
    )
