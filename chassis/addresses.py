"""From where a request comes, when there may be proxies before us."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from fastapi import Request
from pydantic import BeforeValidator
from pydantic_settings import NoDecode

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

COUNTED_IPV6_PREFIX = 64
"""Whoever has one IPv6 address has all of its /64."""


def _separated_by_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


TrustedProxies = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_separated_by_commas)]
"""A setting: networks, separated by commas."""


def asker(request: Request, trusted: Sequence[Network]) -> str:
    """By what the attempts of whoever makes a request are counted."""
    peer = request.client.host if request.client else "unknown"
    return counted_address(client_address(peer, request.headers.getlist("x-forwarded-for"), trusted))


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is none of our proxies'.

    Each proxy appends the address from which it was asked, so only what a trusted one appended is believed; what stands
    before that was written by the caller.

    Args:
        peer: who opened the connection.
        forwarded: the values of `X-Forwarded-For`, in their order.
        trusted: the networks of our proxies.
    """
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    nearest = _parsed(peer)
    while nearest is not None and hops and any(nearest in network for network in trusted):
        before = _parsed(hops.pop())
        if before is None:
            break
        nearest = before
    return peer if nearest is None else str(nearest)


def counted_address(address: str) -> str:
    """What attempts are counted by: the address, or the network of an IPv6 address."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, COUNTED_IPV6_PREFIX), strict=False))
    return address if parsed is None else str(parsed)


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.removeprefix("[").partition("]")[0].partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
