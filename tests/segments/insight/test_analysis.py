"""Made-up shops: what is there is found, and what is not there is not."""

import numpy as np
import pytest

from crm.attributes import Type
from segments.insight.analysis import Column, analyse, compare
from segments.insight.effects import Floats, effects, mid_ranks, share_explained
from segments.insight.findings import Finding, Verdict, read

CUSTOMERS = 3_000
NOISE = 8
"""Attributes that have nothing to do with anything, in every made-up shop."""


def spend(random: np.random.Generator, customers: int = CUSTOMERS) -> Floats:
    """Heavy-tailed, and nothing at all for a third of the customers, as in shops."""
    return np.where(random.random(customers) < 0.35, 0.0, np.round(np.exp(random.normal(8, 1.4, customers))))


def responses(random: np.random.Generator) -> Floats:
    """Yes or no, and unknown for those who were not written to."""
    answers = (random.random(CUSTOMERS) < 0.1).astype(float)
    answers[random.random(CUSTOMERS) < 0.4] = np.nan
    return answers


def noise(random: np.random.Generator) -> dict[str, Column]:
    ages = [None if random.random() < 0.6 else int(age) for age in random.normal(45, 15, CUSTOMERS)]
    columns = {
        "age": Column(Type.NUMBER, ages),
        "city": Column(Type.TEXT, [str(name) for name in random.choice(list("abcdefghijkl"), CUSTOMERS)]),
        "flag": Column(Type.FLAG, [bool(one) for one in random.random(CUSTOMERS) < 0.2]),
        "words": Column(Type.WORDS, [[w for w in "xyz" if random.random() < 0.3] or None for _ in range(CUSTOMERS)]),
    }
    for number in range(NOISE - len(columns)):
        columns[f"number {number}"] = Column(Type.MONEY, [float(one) for one in random.lognormal(5, 1, CUSTOMERS)])
    return columns


def test_independent_noise_is_not_credited_in_95_of_100_shops() -> None:
    wrong = 0
    shops = 60
    for seed in range(shops):
        random = np.random.default_rng(seed)
        found = analyse(noise(random), {"spend": spend(random), "response": responses(random)}, draws=200)
        explained = [one for finding in found.values() for one in finding.outcomes.values()]
        assert len(explained) == 2 * NOISE
        wrong += any(one.low > 0 for one in explained) or any(
            finding.verdict in (Verdict.YES, Verdict.LITTLE) for finding in found.values()
        )
    assert wrong <= 0.05 * shops + 2  # 95%, give or take what 60 shops can tell


def test_noise_gets_the_verdict_no_when_there_are_customers_enough() -> None:
    random = np.random.default_rng(5)
    found = analyse(noise(random), {"spend": spend(random)}, draws=200)
    assert {finding.verdict for finding in found.values()} == {Verdict.NO}


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_effect_is_found_with_its_cut_point(seed: int) -> None:
    random = np.random.default_rng(seed)
    ages = random.integers(18, 80, CUSTOMERS)
    spent = spend(random) * np.where(ages >= 50, 4.0, 1.0)
    found = analyse({**noise(random), "years": Column(Type.NUMBER, ages.tolist())}, {"spend": spent}, draws=200)
    years = found["years"]
    assert years.verdict == Verdict.YES
    assert years.outcomes["spend"].low > 0
    assert any(abs((part.group.get("low") or 0) - 50) <= 3 for part in years.parts)
    assert min(found, key=lambda key: found[key].order) == "years"


def test_cut_points_are_judged_by_customers_who_did_not_propose_them() -> None:
    """Many cuts through noise look good on the half that they were made for; on the other they explain nothing."""
    shares = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        column = Column(Type.NUMBER, random.normal(0, 1, 400).tolist())
        shares.append(analyse({"x": column}, {"spend": spend(random, 400)}, draws=50)["x"].outcomes["spend"].share)
    assert abs(float(np.mean(shares))) < 0.006


def test_unknown_is_a_group_and_said_where_it_is_all_there_is() -> None:
    random = np.random.default_rng(3)
    buys = random.random(CUSTOMERS) < 0.5
    values = [int(random.integers(1, 4)) if one else None for one in buys]
    finding = analyse({"x": Column(Type.NUMBER, values)}, {"spend": spend(random) * buys}, draws=200)["x"]
    assert [part.group["kind"] for part in finding.parts] == ["range", "range", "range", "unknown"]
    assert finding.verdict == Verdict.YES
    assert finding.is_about_being_known


def test_an_effect_that_turned_round_does_not_hold() -> None:
    random = np.random.default_rng(4)
    group = [str(one) for one in random.choice(["a", "b"], CUSTOMERS)]
    is_a = np.array(group) == "a"
    now, before = (spend(random) * np.where(is_a == side, 5.0, 1.0) for side in (True, False))
    column = Column(Type.TEXT, group, earlier=group)
    turned = analyse({"x": column}, {"spend": now}, earlier={"spend": before}, draws=100)["x"].outcomes["spend"]
    assert turned.agreement == pytest.approx(-1.0)
    assert turned.holds is False
    steady = analyse({"x": column}, {"spend": now}, earlier={"spend": now}, draws=100)["x"].outcomes["spend"]
    assert steady.agreement == pytest.approx(1.0)
    assert steady.holds is True


def test_what_is_the_same_for_everybody_or_known_for_nobody_tells_nothing() -> None:
    random = np.random.default_rng(1)
    columns = {
        "same": Column(Type.TEXT, ["a"] * 500),
        "none": Column(Type.NUMBER, [None] * 500),
        "words": Column(Type.WORDS, [None] * 500),
    }
    found = analyse(columns, {"spend": spend(random, 500)}, draws=50)
    assert {key: (one.verdict, one.known) for key, one in found.items()} == {
        "same": (Verdict.ALIKE, 1.0),
        "none": (Verdict.ALIKE, 0.0),
        "words": (Verdict.ALIKE, 0.0),
    }


def test_few_customers_leave_it_open() -> None:
    random = np.random.default_rng(2)
    column = Column(Type.TEXT, [str(one) for one in random.choice(list("abc"), 60)])
    assert analyse({"x": column}, {"spend": spend(random, 60)}, draws=200)["x"].verdict == Verdict.UNCLEAR


def test_an_outcome_that_hardly_anybody_has_is_not_looked_at() -> None:
    random = np.random.default_rng(2)
    column = Column(Type.TEXT, ["a", "b"] * 100)
    rare = np.full(200, np.nan)
    rare[:20] = 1.0
    assert list(analyse({"x": column}, {"spend": spend(random, 200), "rare": rare})["x"].outcomes) == ["spend"]
    assert analyse({"x": column}, {"rare": rare}) == {}


def test_a_segment_is_compared_with_everybody_else() -> None:
    random = np.random.default_rng(6)
    inside = (random.random(CUSTOMERS) < 0.2).astype(np.int64)
    spent: Floats = spend(random) * (1.0 + 4.0 * inside)
    finding = compare({"7": inside}, {"spend": spent}, draws=100)["7"]
    averages = {part.group["kind"]: part.averages["spend"] for part in finding.parts}
    assert averages == {"members": spent[inside == 1].mean(), "others": spent[inside == 0].mean()}
    assert finding.verdict == Verdict.YES


def test_a_finding_survives_being_kept() -> None:
    random = np.random.default_rng(6)
    column = Column(Type.NUMBER, list(range(300)), earlier=list(range(300)))
    spent = spend(random, 300)
    finding = analyse({"x": column}, {"spend": spent}, earlier={"spend": spent}, draws=50)["x"]
    kept: Finding = read(finding.as_data())
    assert kept.as_data() == finding.as_data()
    assert kept.verdict == finding.verdict


def test_the_measure_is_what_the_textbook_says() -> None:
    codes = np.array([0, 0, 0, 1, 1, 1, 1])
    outcome = np.array([1.0, 5.0, 2.0, 9.0, 9.0, 4.0, 50.0])
    ranks = mid_ranks(outcome)
    overall = ((ranks - ranks.mean()) ** 2).sum()
    means = np.array([ranks[codes == one].mean() for one in (0, 1)])
    within = ((ranks - means[codes]) ** 2).sum()
    expected = (overall - within - within / 5) / overall
    assert share_explained(codes, outcome) == pytest.approx(expected)
    assert effects([codes], outcome, draws=20)[0].share == pytest.approx(expected)


def test_a_single_huge_customer_does_not_decide() -> None:
    random = np.random.default_rng(8)
    codes = random.integers(0, 2, 1000)
    outcome = spend(random, 1000)
    before = share_explained(codes, outcome)
    outcome[0] = 1e12
    assert share_explained(codes, outcome) == pytest.approx(before, abs=0.003)
