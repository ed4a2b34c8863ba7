"""The keys of an installation on one machine, made when they are first needed and kept in its folder."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.publisher.push.vapid import VapidKey


def _ledger_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_MAKERS: Final[dict[str, Callable[[], bytes]]] = {
    "ledger.pem": _ledger_key,
    "vapid.pem": lambda: VapidKey.generate().pem(),
    "unsubscribe.key": lambda: secrets.token_hex(32).encode(),
}


def key_settings(folder: Path, publisher: str) -> dict[str, str]:
    """The SUTKI_… variables of keys: the ledger's signature, push, and the one click that ends mails.

    Args:
        folder: where they are kept, each readable by its owner only.
        publisher: the publisher's address.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, make in _MAKERS.items():
        if not (folder / name).exists():
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
                new.write(make())
    return {
        "SUTKI_PUBLISHER_LEDGER_KEY_FILE": str(folder / "ledger.pem"),
        "SUTKI_PUBLISHER_VAPID_KEY_FILE": str(folder / "vapid.pem"),
        "SUTKI_PUBLISHER_UNSUBSCRIBE_KEYS": (folder / "unsubscribe.key").read_text(encoding="ascii"),
        "SUTKI_PUBLISHER_UNSUBSCRIBE_PAGE_URL": f"{publisher}/unsubscribe",
    }
