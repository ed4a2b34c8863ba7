"""Codes, tokens, passwords."""

import re

import pytest

from contracts.invitation_issued import CODE_ALPHABET, code_digest
from services.cabinet.passwords import Passwords, new_code, new_token, normalise_login
from services.cabinet.settings import Settings
from services.cabinet.web.security import local_path


def _settings(**values: int) -> Settings:
    return Settings(database_url="unused", kafka_bootstrap="unused", **{"argon2_memory_kib": 8, **values})  # type: ignore[arg-type]


def test_codes_have_letters_that_nobody_confuses() -> None:
    assert not set("01OILU") & set(CODE_ALPHABET)
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(r"(?:[2-9A-Z]{4}-){2}[2-9A-Z]{4}", code) for code in codes)


def test_a_code_is_the_same_however_it_is_typed() -> None:
    assert code_digest("7K3M-XQ2P-94TH") == code_digest(" 7k3m xq2p—94th ") == code_digest("7К3М-ХQ2Р-94ТН")
    assert code_digest("7K3M-XQ2P-94TH") != code_digest("7K3M-XQ2P-94TJ")


def test_tokens_have_256_bits() -> None:
    assert len(new_token()) == 43
    assert new_token() != new_token()


def test_logins_that_look_alike_are_the_same() -> None:
    assert normalise_login("  Éléna ") == normalise_login("e\u0301le\u0301na")


async def test_only_the_right_password_matches() -> None:
    passwords = Passwords(_settings())
    kept = await passwords.hash("right words")
    assert kept.startswith("$argon2id$")
    assert await passwords.matches(kept, "right words")
    assert not await passwords.matches(kept, "wrong words")
    assert not await passwords.matches(None, "right words")
    assert not await passwords.matches("damaged", "right words")


async def test_the_parameters_of_the_settings_are_used() -> None:
    kept = await Passwords(_settings(argon2_time_cost=1, argon2_memory_kib=16, argon2_parallelism=2)).hash("x")
    assert "m=16,t=1,p=2" in kept
    assert Passwords(_settings()).outdated(kept)


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("/children/1?period=year", "/children/1?period=year"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_only_our_own_pages_are_gone_on_to(path: str, safe: str) -> None:
    assert local_path(path) == safe
