"""A browser as Web Push sees it: it subscribes, decrypts (RFC 8291), and shows what its service worker would show.

Written from the RFCs and by no library that the sender uses, so that a mistake on one side is seen by the other.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_POINT: Final = 65
_HEADER: Final = 21
_TAG: Final = 16
_LAST_RECORD: Final = 2
_DAY_SECONDS: Final = 86_400


class Unreadable(ValueError):  # noqa: N818 - says what is wrong
    """The message was not encrypted for this browser, or not as RFC 8291 says."""


class BadToken(ValueError):  # noqa: N818 - says what is wrong
    """The VAPID token does not hold (RFC 8292)."""


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64url(text: str) -> bytes:
    """The reverse.

    Raises:
        ValueError: it is none.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True, slots=True)
class Message:
    """One push as its push service took it."""

    token: str
    headers: Mapping[str, str]
    payload: dict[str, Any]
    claims: dict[str, Any]
    """Of the VAPID token."""
    at: datetime


@dataclass
class Browser:
    """One subscribed browser."""

    endpoint: str
    server_key: str | None = None
    """The VAPID key to which the subscription is bound; any may send when there is none."""
    private_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    online: bool = True
    delivered: list[Message] = field(default_factory=list)
    """Every message that reached it, in order."""
    waiting: dict[str, Message] = field(default_factory=dict)
    """What its push service keeps for it while it is away, by topic: a newer one takes the place of an older."""
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What stands on its screen, by tag."""

    @property
    def token(self) -> str:
        """What tells its endpoint from others."""
        return self.endpoint.rpartition("/")[2]

    @property
    def public(self) -> bytes:
        """Its public key as a point."""
        return self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def subscription(self) -> dict[str, str]:
        """What it tells whoever wants to send to it."""
        return {"endpoint": self.endpoint, "p256dh": base64url(self.public), "auth": base64url(self.auth)}

    def take(self, message: Message) -> None:
        """A message reaches its push service."""
        if not self.online:
            self.waiting[message.headers.get("Topic", secrets.token_hex(8))] = message
            return
        self.delivered.append(message)
        self.shown[message.payload.get("tag", secrets.token_hex(8))] = message.payload

    def come_online(self) -> None:
        """It connects, and gets what waits for it."""
        self.online = True
        kept, self.waiting = list(self.waiting.values()), {}
        for message in kept:
            self.take(message)

    def decrypt(self, body: bytes) -> dict[str, Any]:
        """The payload of a message (RFC 8188 and 8291, one record).

        Raises:
            Unreadable: it is none for this browser.
        """
        if len(body) < _HEADER + _POINT + _TAG + 1 or body[20] != _POINT:
            raise Unreadable("no header of aes128gcm")
        salt, sender, record = body[:16], body[_HEADER : _HEADER + _POINT], body[_HEADER + _POINT :]
        if len(record) > int.from_bytes(body[16:20], "big"):
            raise Unreadable("more than one record")
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
            shared = self.private_key.exchange(ec.ECDH(), point)
            secret = _derive(shared, self.auth, b"WebPush: info\0" + self.public + sender, 32)
            key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
            nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
            plain = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
        except (ValueError, InvalidTag) as error:
            raise Unreadable("not encrypted for this browser") from error
        if not plain or plain[-1] != _LAST_RECORD:
            raise Unreadable("no delimiter of a last record")
        payload = json.loads(plain[:-1])
        if not isinstance(payload, dict):
            raise Unreadable("not an object")
        return payload


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


def verify_vapid(authorization: str, audience: str, now: datetime) -> tuple[str, dict[str, Any]]:
    """Checks a token as a push service does.

    Args:
        authorization: the header.
        audience: our origin.
        now: our time.

    Returns:
        The key that signed it, in base64url, and its claims.

    Raises:
        BadToken: it does not hold.
    """
    scheme, _, rest = authorization.partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if scheme.lower() != "vapid" or set(parts) != {"t", "k"}:
        raise BadToken("no vapid token")
    try:
        head, body, signature = parts["t"].split(".")
        raw = unbase64url(signature)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unbase64url(parts["k"]))
        pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(pair, f"{head}.{body}".encode(), ec.ECDSA(SHA256()))
        header, claims = json.loads(unbase64url(head)), json.loads(unbase64url(body))
        left = claims["exp"] - now.timestamp()
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise BadToken("not signed by its key") from error
    if header.get("alg") != "ES256" or len(raw) != 64:
        raise BadToken("another algorithm than ES256")
    if claims.get("aud") != audience:
        raise BadToken("another audience")
    if not 0 < left <= _DAY_SECONDS:
        raise BadToken("expired, or valid for more than a day")
    if not str(claims.get("sub", "")).startswith(("mailto:", "https://")):
        raise BadToken("no contact")
    return parts["k"], claims
