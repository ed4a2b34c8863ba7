"""Whose attempt it is, when there are proxies before the cabinet."""

from ipaddress import ip_network

import pytest

from chassis.addresses import client_address, counted_address
from services.cabinet.settings import Settings

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["192.0.2.66, 198.51.100.1, 10.0.0.7"], "198.51.100.1"),
        ("10.0.0.2", ["10.0.0.66, 10.0.0.7"], "10.0.0.66"),
        ("10.0.0.2", ["198.51.100.1, rubbish"], "10.0.0.2"),
        ("10.0.0.2", ["rubbish, 198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.2", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::2", ["[2001:db8::5]"], "2001:db8::5"),
        ("unknown", ["198.51.100.1"], "unknown"),
    ],
)
def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone(peer: str, forwarded: list[str], address: str):
    assert client_address(peer, forwarded, PROXIES) == address


def test_without_trusted_proxies_nothing_forwarded_is_believed():
    assert client_address("127.0.0.1", ["198.51.100.1"], ()) == "127.0.0.1"


def test_a_network_of_ipv6_counts_as_one_address():
    assert counted_address("2001:db8:1:2:3::5") == counted_address("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert counted_address("2001:db8:1:3::5") != counted_address("2001:db8:1:2::5")
    assert counted_address("::ffff:198.51.100.1") == counted_address("198.51.100.1") == "198.51.100.1"
    assert counted_address("unknown") == "unknown"


def test_the_proxies_are_a_list_of_networks_in_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUTKI_DATABASE_URL", "unused")
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    assert Settings().trusted_proxies == ()
    monkeypatch.setenv("SUTKI_CABINET_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8,192.0.2.1")
    assert Settings().trusted_proxies == (*PROXIES, ip_network("192.0.2.1/32"))
    monkeypatch.setenv("SUTKI_CABINET_TRUSTED_PROXIES", "everybody")
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings()
