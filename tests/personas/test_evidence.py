from datetime import date

import pytest

from personas import evidence
from personas.evidence import Totals
from personas.shares import Share, band_order, distinctness, index, wilson
from tests.personas.worlds import NOW, buy, customer, persona, settle

pytestmark = pytest.mark.django_db


def test_wilson_gives_the_textbook_interval():
    # 10 of 50: Wilson (1927) 0.1124 to 0.3304.
    assert wilson(10, 50) == pytest.approx((0.1124, 0.3304), abs=1e-4)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_an_index_is_100_where_the_matched_are_like_everybody():
    assert index(0.2, 0.1) == 200
    assert index(0.1, 0.1) == 100
    assert index(0.1, 0.0) is None
    assert index(None, 0.1) is None


def test_a_large_unusual_share_tells_more_than_a_tiny_or_an_ordinary_one():
    assert distinctness(0.3, 0.1) > distinctness(0.003, 0.0005) > distinctness(0.3, 0.3) == 0.0


def test_bands_come_in_the_order_of_their_lower_ends():
    bands = ["15-24K", "100-124K", "Under 15K", "250K+", "35-49K", "unknown"]
    assert sorted(bands, key=band_order) == ["Under 15K", "15-24K", "35-49K", "100-124K", "250K+", "unknown"]


def test_totals_shares_and_rates_count_the_matched_beside_everybody_live():
    anna = customer(city="Riga", email_key="anna@example.com")
    ben = customer(city="Oulu")
    customer(city="Riga", no_profiling=True)
    customer(city="Riga", merged_into=anna)
    emma = persona()
    for day in (date(2026, 3, 7), date(2026, 4, 6)):
        buy(anna, on=day, Food__Milk=10_00)
    buy(ben, on=date(2026, 4, 7), Food__Milk=60_00)
    settle()
    anna.profile.refresh_from_db()
    anna.profile.consent_email = True
    anna.profile.save()

    found = evidence.collect(persona=emma, now=NOW)

    assert found.matched == Totals(customers=1, receipts=2, spend_minor=20_00, days=61)
    assert found.everybody == Totals(customers=2, receipts=3, spend_minor=80_00, days=91)
    assert found.size.share == 0.5
    assert found.spend_share == 0.25
    assert found.matched.average_receipt_minor == 10_00
    assert found.index_of("average_receipt_minor") == pytest.approx(100 * 1000 / 2667, abs=0.1)
    assert found.matched.receipts_a_month == pytest.approx(2 / (61 / 30.4167), abs=1e-3)
    assert found.reachable == {"email": 1, "sms": 0, "phone": 0, "post": 0}
    assert found.is_few


def test_a_consent_without_an_address_reaches_nobody():
    anna = customer(city="Riga")
    emma = persona()
    settle()
    anna.profile.refresh_from_db()
    for channel in ("email", "sms", "phone"):
        setattr(anna.profile, f"consent_{channel}", True)
    anna.profile.save()
    assert set(evidence.collect(persona=emma, now=NOW).reachable.values()) == {0}


def test_categories_are_the_shelves_on_which_the_matched_spend_more_than_others():
    day = date(2026, 4, 6)
    for _number in range(6):
        buy(customer(city="Riga"), on=day, Food__Milk=10_00, Food__Tea=30_00, Gifts=1_00)
        buy(customer(city="Oulu"), on=day, Food__Milk=10_00, Food__Beer=29_00, Gifts=2_00)
    emma = persona()
    settle()

    found = evidence.collect(persona=emma, now=NOW)

    assert [(one.name, one.buyers, round(one.spend_share, 4), round(one.index or 0)) for one in found.categories] == [
        ("Tea", Share(number=6, of=6, all_number=6, all_of=12), 0.7317, 200)
    ]


def test_what_the_rule_itself_asks_for_is_no_evidence():
    day = date(2026, 4, 6)
    for _number in range(6):
        buy(customer(age_band="25-34"), on=day, Food__Milk=10_00, Baby__Diapers=30_00)
        buy(customer(age_band="65+"), on=day, Food__Milk=10_00, Food__Beer=30_00)
    buyers = {
        "v": 1,
        "rule": {
            "and": [
                {"attribute": "bought", "filters": {"category": "Baby > Diapers"}, "operator": "is", "value": True},
                {"attribute": "age_band", "operator": "=", "value": "25-34"},
            ]
        },
    }
    emma = persona(rule=buyers)
    settle()
    found = evidence.collect(persona=emma, now=NOW)
    assert found.matched.customers == 6
    assert found.categories == []
    (age,) = found.traits
    assert (age.field, age.is_asked, age.top) == ("age_band", True, None)


def test_traits_compare_known_values_and_feature_only_what_is_not_chance():
    for number in range(12):
        customer(city="Riga", age_band="25-34" if number < 10 else "65+", income_band="15-24K")
    for number in range(40):
        customer(city="Oulu", age_band="25-34" if number < 8 else "65+", income_band="15-24K")
    customer(city="Riga")
    emma = persona()
    settle()
    age, income = evidence.collect(persona=emma, now=NOW).traits
    assert age.values == [
        ("25-34", Share(number=10, of=12, all_number=18, all_of=52)),
        ("65+", Share(number=2, of=12, all_number=34, all_of=52)),
    ]
    assert age.known == Share(number=12, of=13, all_number=52, all_of=53)
    assert age.top is not None and age.top[0] == "25-34"
    assert income.top is None


def test_nobody_matched_is_a_fact_like_another():
    emma = persona()
    customer(city="Oulu")
    settle()
    found = evidence.collect(persona=emma, now=NOW)
    assert (found.matched, found.categories, found.traits) == (Totals(), [], [])


def test_evidence_takes_the_same_queries_for_one_and_for_many(django_assert_max_num_queries):
    emma = persona()
    buy(customer(city="Riga", age_band="65+"), on=date(2026, 4, 6), Food__Milk=10_00)
    settle()
    with django_assert_max_num_queries(4):
        evidence.collect(persona=emma, now=NOW)
    for number in range(9):
        buy(
            customer(city="Riga", age_band="65+"),
            on=date(2026, 4, 6),
            **{f"Food__Shelf {number}": 5_00, "Food__Tea": 9_00},
        )
    settle()
    with django_assert_max_num_queries(4):
        evidence.collect(persona=emma, now=NOW)
