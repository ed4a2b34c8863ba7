"""Which addresses may be push endpoints, and which keys of a browser are any. Pure.

An endpoint comes from outside and is later called from inside the network. So it has to belong to a push service that
is on a list, over https, and the form that is accepted is so narrow that no two parsers can disagree about its host.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

MAX_ENDPOINT_LENGTH: Final = 2048
KNOWN_SERVICES: Final = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)
"""The push services of Chrome and its kin, Firefox, Safari and Edge; `*.` stands for one label or more."""

_LABEL: Final = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST: Final = rf"(?P<host>{_LABEL}(\.{_LABEL})*)(:(?P<port>[1-9][0-9]{{0,4}}))?"
_ENTRY: Final = re.compile(_HOST)
_ENDPOINT: Final = re.compile(rf"https://{_HOST}/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]+")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_HTTPS: Final = 443


class UnusableSubscription(ValueError):  # noqa: N818 - says what is wrong
    """The subscription can never be used. `pointer` is the field, `code` what is wrong with it."""

    def __init__(self, pointer: str, code: str, detail: str) -> None:
        super().__init__(code)
        self.pointer = pointer
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that may be called."""

    url: str = field(repr=False)
    host: str
    port: int
    service: str
    """The entry of the list by which it is allowed; a name for logs and metrics that says nothing of a person."""

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a VAPID token names its audience (RFC 8292, section 2)."""
        return f"https://{self.host}" + ("" if self.port == _HTTPS else f":{self.port}")


@dataclass(frozen=True, slots=True)
class PushHosts:
    """The push services that may be called. An entry is a host, `*.domain`, or either with a port other than 443."""

    services: tuple[str, ...] = KNOWN_SERVICES
    private: tuple[str, ...] = ()
    """Those of them that may have addresses which are not public: a push service of one's own."""

    @classmethod
    def listed(cls, services: str, private: str = "") -> "PushHosts":
        """Reads comma-separated lists.

        Raises:
            ValueError: an entry is no host.
        """
        parts = [tuple(one.strip() for one in text.split(",") if one.strip()) for text in (services, private)]
        for entry in (*parts[0], *parts[1]):
            if not _ENTRY.fullmatch(entry.removeprefix("*.")):
                raise ValueError(f"not a host, *.domain or host:port: {entry!r}")
        return cls((*parts[0], *parts[1]), parts[1])

    def service_of(self, host: str, port: int) -> str | None:
        """The entry that allows a host."""
        return _matching(self.services, host, port)

    def may_be_private(self, host: str, port: int) -> bool:
        """Whether the host's addresses need not be public."""
        return _matching(self.private, host, port) is not None

    def endpoint(self, url: str) -> Endpoint:
        """The endpoint, if it may be called.

        Raises:
            UnusableSubscription: it may not.
        """
        if len(url) > MAX_ENDPOINT_LENGTH:
            raise UnusableSubscription("#/endpoint", "too_long", f"At most {MAX_ENDPOINT_LENGTH} characters.")
        match = _ENDPOINT.fullmatch(url)
        if match is None or int(match["port"] or _HTTPS) > 65535:
            raise UnusableSubscription("#/endpoint", "invalid_endpoint", "It must be the https address of a browser.")
        host, port = match["host"], int(match["port"] or _HTTPS)
        service = self.service_of(host, port)
        if service is None or (_is_private_literal(host) and not self.may_be_private(host, port)):
            raise UnusableSubscription("#/endpoint", "foreign_host", "Its host is none of the push services allowed.")
        return Endpoint(url, host, port, service)


def _matching(entries: Iterable[str], host: str, port: int) -> str | None:
    for entry in entries:
        name, _, number = entry.partition(":")
        if port != int(number or _HTTPS):
            continue
        if host == name or (name.startswith("*.") and host.endswith(name[1:]) and len(host) > len(name) - 1):
            return entry
    return None


def _is_private_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_public(host)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where it only wraps an IPv4 address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        wrapped = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            wrapped = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return found.is_global and not found.is_multicast


@dataclass(frozen=True, slots=True)
class BrowserKeys:
    """What a message to a browser is encrypted with (RFC 8291, section 3)."""

    p256dh: bytes = field(repr=False)
    """Its public key: an uncompressed point of P-256."""
    auth: bytes = field(repr=False)
    """The secret that it shares with us."""

    @classmethod
    def read(cls, p256dh: str, auth: str) -> "BrowserKeys":
        """Reads base64url.

        Raises:
            UnusableSubscription: one of them is no such key.
        """
        point, secret = _decoded("p256dh", p256dh, 65), _decoded("auth", auth, 16)
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError as error:
            raise UnusableSubscription("#/p256dh", "invalid_key", "It is not a point of P-256.") from error
        return cls(point, secret)


def _decoded(name: str, text: str, length: int) -> bytes:
    plain = text.rstrip("=")
    refusal = UnusableSubscription(f"#/{name}", "invalid_key", f"It must be {length} bytes in base64url.")
    if len(text) > 2 * length or not _BASE64URL.fullmatch(plain):
        raise refusal
    try:
        decoded = base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error:
        raise refusal from None
    if len(decoded) != length:
        raise refusal
    return decoded
