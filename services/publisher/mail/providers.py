"""How fast each mail provider takes mails, and how long it is left alone when it says that we are too fast. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

EVERYBODY_ELSE: Final = "*"
NO_LIMIT: Final = 1_000_000.0
"""Mails a second: more than anybody sends, so that what has no limit needs no rule of its own."""

# Beyond this a mail that waits for its turn is looked at again: the estimate of when that comes may be too long.
LONGEST_QUEUE: Final = timedelta(hours=1)

LEASE_SECONDS: Final = 0.5
LONGEST_LEASE: Final = 100
_LEASE_KEPT: Final = timedelta(seconds=1)


class UnreadableRates(ValueError):  # noqa: N818 - says what is wrong
    """The setting is not `domain,domain=number/s; …`."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who takes a recipient's mails, and how many it likes to take."""

    name: str
    """The first domain of its group; of a domain that no group names, a digest: it may be a person's own."""
    rate: float
    """Mails a second; those of one second may go at once after a quiet time."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The district's setting."""

    groups: Mapping[str, tuple[str, float]]
    """By domain: the group's name and its rate."""
    else_rate: float
    """Of each other domain."""

    def provider(self, address: str) -> Provider:
        """Who takes the mails to an address."""
        domain = address.rpartition("@")[2].lower().rstrip(".")
        group = self.groups.get(domain)
        if group is not None:
            return Provider(*group)
        return Provider(f"#{sha256(domain.encode()).hexdigest()[:24]}", self.else_rate)


def read_rates(text: str) -> Rates:
    """Reads the setting.

    Args:
        text: e.g. `gmail.com,googlemail.com=20/s; mail.ru,bk.ru=10/s; *=50/s`. Domains of one provider share its
            rate; `*` is the rate of every other domain, each for itself; without it they have no limit. `/m` is
            by the minute.

    Raises:
        UnreadableRates: it is none; the message names the part.
    """
    groups: dict[str, tuple[str, float]] = {}
    else_rate = NO_LIMIT
    for part in filter(None, (one.strip() for one in text.split(";"))):
        names, equals, value = part.partition("=")
        domains = [one.strip().lower() for one in names.split(",")]
        if not equals or not all(domains):
            raise UnreadableRates(f"{part!r}: expected domains=number/s")
        rate = _rate(part, value.strip())
        if EVERYBODY_ELSE in domains:
            if len(domains) > 1:
                raise UnreadableRates(f"{part!r}: * stands alone")
            else_rate = rate
            continue
        for domain in domains:
            if domain in groups:
                raise UnreadableRates(f"{domain}: named twice")
            groups[domain] = (domains[0], rate)
    return Rates(groups, else_rate)


def _rate(part: str, value: str) -> float:
    number, _, unit = value.partition("/")
    per = {"s": 1.0, "m": 60.0}.get(unit.strip())
    try:
        rate = float(number) / (per or 0.0)
    except (ValueError, ZeroDivisionError) as error:
        raise UnreadableRates(f"{part!r}: expected a number and /s or /m") from error
    if not 0 < rate <= NO_LIMIT:
        raise UnreadableRates(f"{part!r}: the rate must be above zero")
    return rate


@dataclass(slots=True)
class Leases:
    """Tokens that this process took from the shared buckets ahead of its needs.

    Asking the database for every mail would cost a locked row each; so what a provider takes in `LEASE_SECONDS` is
    taken at once (at most `LONGEST_LEASE`), and given up if it is not used soon: then less is sent than might be.
    """

    _held: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def use(self, provider: str, wanted: int, now: datetime) -> int:
        """Takes up to so many of the tokens at hand; returns how many there were."""
        left, until = self._held.get(provider, (0, now))
        if until <= now:
            self._held.pop(provider, None)
            return 0
        used = min(left, wanted)
        self._held[provider] = (left - used, until)
        return used

    def add(self, provider: str, tokens: int, now: datetime) -> None:
        """Keeps tokens that the database gave, beside none: it was asked because there were none left."""
        self._held[provider] = (tokens, now + _LEASE_KEPT)

    def drop(self, provider: str) -> None:
        """Gives up what is at hand: the provider is to be left alone."""
        self._held.pop(provider, None)


def turns(count: int, rate: float, *, now: datetime, queue_until: datetime | None) -> list[datetime]:
    """When mails that found no token are looked at again, so that they do not stand before the others.

    They are spread at the provider's rate behind those that wait already. It is an estimate: the token is taken then.

    Args:
        count: of mails.
        rate: mails a second.
        now: the earliest instant.
        queue_until: when the last of those that wait already has its turn.
    """
    start = max(now, queue_until or now)
    return [min(start + timedelta(seconds=number / rate), now + LONGEST_QUEUE) for number in range(1, count + 1)]
