from datetime import UTC, date, datetime

import pytest
from django.test import override_settings
from django.utils import translation

from crm.templatetags import regulars


@pytest.fixture(autouse=True)
def _english_dollars(settings):
    settings.CURRENCY = "USD"
    with translation.override("en"):
        yield


def test_money_is_written_in_the_language_of_the_reader():
    assert regulars.money(123456) == "$1,234.56"
    assert regulars.money_whole(123450) == "$1,235"
    assert regulars.money_whole(-123456) == "-$1,235"
    with translation.override("it"), override_settings(CURRENCY="EUR"):
        assert regulars.money(123456) == "1.234,56\xa0€"
        assert regulars.money_whole(123456) == "1.235\xa0€"


def test_numbers_are_short_where_asked_and_exact_where_not():
    assert [regulars.compact(number) for number in (0, 9_999, 12_345, 1_234_567)] == ["0", "9,999", "12.3K", "1.2M"]
    assert regulars.count(155_848) == "155,848"
    assert regulars.decimal(5.264) == "5.3"
    assert [regulars.percent(0.127), regulars.percent(0.127, 1)] == ["13%", "12.7%"]


def test_changes_carry_their_sign():
    assert [regulars.signed(number) for number in (12, 0, -3)] == ["+12", "±0", "−3"]
    assert [regulars.signed_percent(share) for share in (0.041, 0.001, -0.29)] == ["+4%", "±0%", "−29%"]


def test_unknown_is_written_as_nothing():
    filters = ("money", "money_whole", "percent", "compact", "count", "decimal", "signed", "signed_percent", "since")
    assert [getattr(regulars, name)(None) for name in filters] == [""] * len(filters)


def test_since_counts_days_by_the_shops_calendar_and_moments_by_the_clock():
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    assert regulars.since(date(2026, 5, 4), now) == "today"
    assert regulars.since(date(2026, 5, 1), now) == "3 days ago"
    assert regulars.since(datetime(2026, 5, 4, 10, tzinfo=UTC), now) == "2 hours ago"
    assert regulars.since(datetime(2026, 5, 4, 14, tzinfo=UTC), now) == "in 2 hours"
    assert regulars.since(now, now) == "just now"


def test_the_table_of_a_chart_says_its_numbers_as_text():
    chart = {
        "unit": "money",
        "categories": ["Nov 2", "Nov 9"],
        "series": [{"name": "this", "values": [100_00, None]}, {"name": "before", "values": [90_00, 80_00]}],
    }
    assert regulars.chart_rows(chart) == [
        {"name": "Nov 2", "values": ["$100", "$90"]},
        {"name": "Nov 9", "values": ["–", "$80"]},
    ]
