"""What families may choose, and when they are disturbed: pure rules."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.domain.preferences import (
    CRITICAL,
    DEFAULTS,
    NO_QUIET,
    Channel,
    Kind,
    Mode,
    Preferences,
    QuietHours,
    channels_at_once,
    last_digest,
    last_weekly_digest,
    local_day,
    next_channel,
    next_digest,
    refusals,
    send_at,
    zone_of,
)

ZONES = ["Europe/Moscow", "Asia/Vladivostok", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)

instants = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
zones = st.sampled_from(ZONES)
clocks = st.times().map(lambda at: at.replace(second=0, microsecond=0))
quiet_hours = st.builds(QuietHours, clocks, clocks)
allowed_channels = st.frozensets(st.sampled_from(Channel))


@st.composite
def choices(draw: st.DrawFn) -> Preferences:
    keys = st.tuples(st.sampled_from(Kind), st.sampled_from(Channel))
    return Preferences(draw(st.dictionaries(keys, st.sampled_from(Mode))))


def test_every_kind_has_a_default_on_every_channel():
    assert {(kind, channel) for kind in Kind for channel in Channel} == {
        (kind, channel) for kind, channels in DEFAULTS.items() for channel in channels
    }


def test_by_default_critical_news_come_at_once_marks_daily_and_forecasts_weekly():
    nothing = Preferences()
    assert {nothing.mode(kind, channel) for kind in CRITICAL for channel in Channel} == {Mode.INSTANT}
    assert nothing.mode(Kind.MARK, Channel.EMAIL) is Mode.DAILY
    assert nothing.mode(Kind.FORECAST, Channel.EMAIL) is Mode.WEEKLY
    assert nothing.mode(Kind.TIMETABLE_CHANGE, Channel.PUSH) is Mode.INSTANT


@given(choices(), allowed_channels)
def test_whatever_is_accepted_tells_everything_critical_on_a_channel_that_consent_allows(chosen, allowed):
    if allowed and not refusals(chosen, allowed):
        for kind in CRITICAL:
            assert set(channels_at_once(kind, chosen, allowed)) & allowed


@given(choices(), allowed_channels, allowed_channels)
def test_when_consent_for_the_chosen_channel_ends_the_remaining_one_tells_what_is_critical(chosen, before, after):
    if before and after and not refusals(chosen, before):
        assert all(channels_at_once(kind, chosen, after) for kind in CRITICAL)


@given(choices(), allowed_channels)
def test_nothing_is_told_by_a_channel_without_consent(chosen, allowed):
    for kind in Kind:
        assert set(channels_at_once(kind, chosen, allowed)) <= allowed


@given(choices(), st.sampled_from(sorted(set(Kind) - CRITICAL)))
def test_what_is_not_critical_is_told_at_once_only_where_that_was_chosen(chosen, kind):
    told = channels_at_once(kind, chosen, frozenset(Channel))
    assert set(told) == {channel for channel in Channel if chosen.mode(kind, channel) is Mode.INSTANT}


def test_critical_news_off_everywhere_are_refused_with_the_kind_and_the_reason():
    chosen = Preferences({(Kind.DEFERRAL, channel): Mode.OFF for channel in Channel})
    assert [(one.kind, one.code) for one in refusals(chosen, frozenset(Channel))] == [
        (Kind.DEFERRAL, "critical_off_everywhere")
    ]


def test_critical_news_off_on_the_only_channel_that_consent_allows_are_refused():
    chosen = Preferences({(Kind.CORRECTION, Channel.EMAIL): Mode.OFF})
    assert refusals(chosen, frozenset({Channel.EMAIL}))
    assert not refusals(chosen, frozenset(Channel))
    assert not refusals(chosen, frozenset())


@pytest.mark.parametrize("mode", [Mode.DAILY, Mode.WEEKLY])
def test_critical_news_cannot_wait_for_a_digest(mode):
    chosen = Preferences({(Kind.EXAM_RESULT, Channel.PUSH): mode})
    assert [(one.channel, one.code) for one in refusals(chosen, frozenset(Channel))] == [
        (Channel.PUSH, "critical_is_not_for_digests")
    ]


@given(allowed_channels, allowed_channels)
def test_what_failed_falls_to_an_allowed_channel_that_has_not_failed_push_first(allowed, failed):
    target = next_channel(allowed, failed)
    if target is None:
        assert allowed <= failed
    else:
        assert target in allowed - failed
        assert target is Channel.PUSH or Channel.PUSH not in allowed - failed


@given(instants, zones, quiet_hours)
def test_quiet_hours_end_later_the_same_or_the_next_day_at_their_time_or_where_the_clocks_jumped_over_it(
    at, zone, quiet
):
    end = quiet.end_after(at, zone)
    if end is None:
        return
    assert at < end <= at + timedelta(hours=26)
    local = end.astimezone(zone_of(zone)).time().replace(tzinfo=None)
    assert local == quiet.ends or _skipped(end, quiet.ends, zone)


def _skipped(end: datetime, clock: time, zone: str) -> bool:
    place = zone_of(zone)
    wall = datetime.combine(end.astimezone(place).date(), clock, place)
    return wall.astimezone(UTC).astimezone(place).time().replace(tzinfo=None) != clock


@given(instants, zones, quiet_hours)
def test_nothing_is_sent_while_the_recipients_clock_shows_quiet_hours(at, zone, quiet):
    sent = send_at(at, zone=zone, quiet=quiet)
    assert sent >= at
    clock = sent.astimezone(zone_of(zone)).time().replace(tzinfo=None)
    if quiet.starts < quiet.ends:
        inside = quiet.starts <= clock < quiet.ends
    elif quiet.starts > quiet.ends:
        inside = clock >= quiet.starts or clock < quiet.ends
    else:
        inside = False
    # In the hour that comes twice, the end has been once.
    assert not inside or zone_of(zone).utcoffset(sent) != zone_of(zone).utcoffset(sent - 2 * HOUR)


@given(instants, zones, quiet_hours, st.timedeltas(timedelta(0), timedelta(hours=30)))
def test_quiet_hours_never_hold_anything_back_beyond_its_deadline(at, zone, quiet, until):
    assert send_at(at, zone=zone, quiet=quiet, deadline=at + until) <= max(at, at + until)


def test_without_quiet_hours_nothing_waits():
    at = datetime(2026, 10, 24, 0, 30, tzinfo=UTC)
    assert send_at(at, zone="Europe/Moscow", quiet=NO_QUIET) == at


@pytest.mark.parametrize(
    ("at", "end"),
    [
        # The clocks go forward in this night, so it is an hour shorter; and back in that one, so it is longer.
        (datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN), datetime(2026, 3, 29, 7, 0, tzinfo=BERLIN)),
        (datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN), datetime(2026, 10, 25, 7, 0, tzinfo=BERLIN)),
    ],
)
def test_the_night_in_which_the_clocks_change_ends_at_seven_of_the_new_time(at, end):
    assert QuietHours().end_after(at.astimezone(UTC), "Europe/Berlin") == end.astimezone(UTC)


def test_the_bounds_of_quiet_hours_are_their_first_and_not_their_last_instant():
    moscow = ZoneInfo("Europe/Moscow")
    evening, morning = datetime(2026, 10, 23, 21, 0, tzinfo=moscow), datetime(2026, 10, 24, 7, 0, tzinfo=moscow)
    assert QuietHours().end_after(evening, "Europe/Moscow") == morning
    assert QuietHours().end_after(evening - timedelta(seconds=1), "Europe/Moscow") is None
    assert QuietHours().end_after(morning, "Europe/Moscow") is None


@given(instants, zones, st.integers(0, 23))
def test_the_next_digest_is_within_a_day_and_the_last_one_is_no_later_than_now(at, zone, hour):
    coming, last = next_digest(at, zone=zone, hour=hour), last_digest(at, zone=zone, hour=hour)
    assert last <= at < coming <= at + timedelta(hours=26)
    assert next_digest(last, zone=zone, hour=hour) == coming


@given(instants, zones, st.integers(0, 23), st.integers(1, 7))
def test_the_last_weekly_digest_was_on_its_weekday_within_eight_days(at, zone, hour, weekday):
    last = last_weekly_digest(at, zone=zone, hour=hour, weekday=weekday)
    assert at - timedelta(days=8) < last <= at
    assert local_day(last, zone).isoweekday() == weekday


def test_an_unknown_time_zone_is_moscows():
    assert zone_of("Mars/Olympus").key == zone_of(None).key == "Europe/Moscow"
    assert local_day(datetime(2026, 10, 23, 21, 30, tzinfo=UTC), "nowhere") == date(2026, 10, 24)
