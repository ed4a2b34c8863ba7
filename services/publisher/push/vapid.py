"""Who we are to a push service (RFC 8292): the application server's key and its signed tokens."""

import base64
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from py_vapid import Vapid02, VapidException

TOKEN_LIFETIME: Final = timedelta(hours=12)
"""RFC 8292 allows 24 hours; half of it leaves room for clocks that are apart."""
RENEW_BEFORE: Final = timedelta(hours=1)
_CACHED_ORIGINS: Final = 256


class VapidKey:
    """The private key by which push services know this installation."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self.private = private

    @classmethod
    def generate(cls) -> "VapidKey":
        """A new one."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "VapidKey":
        """Reads an unencrypted PEM.

        Raises:
            ValueError: it is none, or no key of P-256.
        """
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("not an unencrypted private key in PEM") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ValueError("not a key of the curve P-256")  # noqa: TRY004 - it is the file that is wrong
        return cls(private)

    def pem(self) -> bytes:
        """As PKCS 8."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> str:
        """The point in base64url, as a browser wants its `applicationServerKey`."""
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


class VapidTokens:
    """Signed tokens, one for each push service, used until shortly before they expire."""

    def __init__(self, key: VapidKey, contact: str) -> None:
        """Signs a first token, so that a contact that no push service would take is noticed at once.

        Args:
            key: ours.
            contact: where a push service may complain, `mailto:…` or `https://…`.

        Raises:
            ValueError: the contact is neither.
        """
        self.key = key
        self.public = key.public
        self._contact = contact
        self._signer = Vapid02(key.private)
        self._tokens: dict[str, tuple[datetime, str]] = {}
        try:
            self._sign("https://push.example.org", 0)
        except VapidException as error:
            raise ValueError("the contact must be mailto:… or https://…") from error

    def authorization(self, origin: str, now: datetime) -> str:
        """The Authorization header for a push service."""
        expires, header = self._tokens.get(origin, (now, ""))
        # Looked at from both sides: after a jump of the clock the token could be valid for longer than is allowed.
        if not RENEW_BEFORE < expires - now <= TOKEN_LIFETIME:
            if len(self._tokens) >= _CACHED_ORIGINS:
                self._tokens.clear()
            expires = now + TOKEN_LIFETIME
            header = self._sign(origin, int(expires.timestamp()))
            self._tokens[origin] = expires, header
        return header

    def _sign(self, origin: str, expires: int) -> str:
        header: str = self._signer.sign({"aud": origin, "exp": expires or 1, "sub": self._contact})["Authorization"]
        return header
