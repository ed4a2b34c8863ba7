"""Signs mails by DKIM (RFC 6376, RFC 8463), for districts whose relay does not.

Canonicalization is dkimpy's. The signature is made by `cryptography`: dkimpy computes RSA in Python, which takes longer
than handing the mail over.
"""

import base64
import re
import stat
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from dkim.canonicalization import Relaxed

SIGNED_HEADERS: Final = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
    "Auto-Submitted",
    # RFC 8058, 4: both must be covered, or a receiver may not offer the one click.
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
)
_ONCE: Final = frozenset({"from", "to", "subject", "date"})
"""Named once more than they are there, so that nobody on the way can add a second one."""
_SMALLEST_RSA_BITS: Final = 2048
_HEADER: Final = re.compile(rb"([^\s:]+)[ \t]*:((?:[^\r]|\r(?!\n)|\r\n[ \t])*)\r\n")


class UnusableKey(ValueError):  # noqa: N818 - says what is wrong
    """The key cannot sign mails."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Puts a signature before a message."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    def sign(self, content: bytes, at: datetime) -> bytes:
        """The message with its DKIM-Signature.

        Args:
            content: of the message, with CRLF line ends.
            at: the instant of the signature.
        """
        head, _, body = content.partition(b"\r\n\r\n")
        headers = [(name, value) for name, value in _HEADER.findall(head + b"\r\n")]
        present = [name.decode().lower() for name, _ in headers]
        names = [name.lower() for name in SIGNED_HEADERS if name.lower() in present]
        names += [name for name in names if name in _ONCE]
        fields = {
            "v": "1",
            "a": self._algorithm,
            "c": "relaxed/relaxed",
            "d": self.domain,
            "s": self.selector,
            "t": str(int(at.timestamp())),
            "h": ":".join(names),
            "bh": base64.b64encode(sha256(Relaxed.canonicalize_body(body)).digest()).decode(),
            "b": "",
        }
        unsigned = _folded(fields)
        data = _canonical(headers, names) + b"dkim-signature:" + _relaxed_value(unsigned)
        signature = base64.b64encode(self._signature(data)).decode()
        pieces = "".join(f"\r\n {signature[at : at + 72]}" for at in range(0, len(signature), 72))
        return f"DKIM-Signature:{unsigned}{pieces}\r\n".encode() + content

    @property
    def _algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), hashes.SHA256())
        # RFC 8463, 3: the digest is what is signed.
        return self.key.sign(sha256(data).digest())

    def dns_record(self) -> tuple[str, str]:
        """Name and value of the TXT record that receivers look the public key up in."""
        public = self.key.public_key()
        if isinstance(self.key, RSAPrivateKey):
            kind = "rsa"
            raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        else:
            kind = "ed25519"
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return (
            f"{self.selector}._domainkey.{self.domain}",
            f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode()}",
        )


def _folded(fields: dict[str, str]) -> str:
    return ";".join(
        f"\r\n {name}={value}" if name in ("h", "bh", "b") else f" {name}={value}" for name, value in fields.items()
    )


def _relaxed_value(value: str) -> bytes:
    ((_, canonical),) = Relaxed.canonicalize_headers([(b"dkim-signature", value.encode())])
    return bytes(canonical).removesuffix(b"\r\n")


def _canonical(headers: list[tuple[bytes, bytes]], names: list[str]) -> bytes:
    """The signed headers, from the last of each name upwards (RFC 6376, 5.4.2)."""
    left: dict[str, list[tuple[bytes, bytes]]] = {}
    for name, value in headers:
        left.setdefault(name.decode().lower(), []).append((name, value))
    chosen = [left[name].pop() for name in names if left[name]]
    return b"".join(bytes(name) + b":" + bytes(value) for name, value in Relaxed.canonicalize_headers(chosen))


def read_key(file: Path) -> RSAPrivateKey | Ed25519PrivateKey:
    """Reads a private key in PEM.

    Raises:
        UnusableKey: it cannot be read, others may read it, or it is neither RSA of 2,048 bits nor Ed25519.
    """
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o007:
            raise UnusableKey(f"{file}: everybody may read it; chmod 600")
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        if isinstance(error, UnusableKey):
            raise
        raise UnusableKey(f"{file}: no private key in PEM: {type(error).__name__}") from error
    if isinstance(key, RSAPrivateKey) and key.key_size >= _SMALLEST_RSA_BITS:
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise UnusableKey(f"{file}: neither RSA of {_SMALLEST_RSA_BITS} bits or more nor Ed25519")
