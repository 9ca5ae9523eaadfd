"""BG/NBD and Gamma-Gamma: the published results come out, and the numbers hold at the edges."""

import csv
import importlib.metadata
from typing import Any

import numpy as np
import pytest

from segments import lifetime
from segments.lifetime import BetaGeometric, GammaGamma, NotFitted

CDNOW = BetaGeometric(r=0.243, alpha=4.414, a=0.793, b=2.426)


def cdnow(name: str) -> list[dict[str, str]]:
    """The 1/10 sample of CDNOW's customers of the papers, as the package `lifetimes` ships it; only data is read."""
    path = importlib.metadata.distribution("lifetimes").locate_file(f"lifetimes/datasets/{name}.csv")
    with open(str(path), encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def columns(rows: list[dict[str, str]], *names: str) -> list[Any]:
    return [np.array([float(row[name]) for row in rows]) for name in names]


def test_cdnow_gives_the_published_parameters_and_likelihood() -> None:
    """Fader, Hardie and Lee (2005), table 2."""
    x, t_x, T = columns(cdnow("cdnow_customers_summary"), "frequency", "recency", "T")
    assert len(x) == 2357
    fitted = lifetime.fit_purchases(x=x, t_x=t_x, T=T)
    assert (round(fitted.r, 3), round(fitted.alpha, 3)) == (0.243, 4.414)
    assert (round(fitted.a, 3), round(fitted.b, 3)) == (0.793, 2.426)
    assert round(fitted.log_likelihood, 1) == -9582.4


def test_the_expectation_of_the_papers_note_comes_out() -> None:
    """The authors' spreadsheet: customer 1 (x = 2, t_x = 30.43, T = 38.86) makes 1.226 purchases in 39 weeks."""
    one: dict[str, Any] = {"x": np.array([2.0]), "t_x": np.array([30.43]), "T": np.array([38.86])}
    assert lifetime.expected_purchases(CDNOW, ahead=39, **one)[0] == pytest.approx(1.226, abs=0.0006)


def test_cdnow_gives_the_published_amounts() -> None:
    """Fader and Hardie (2013): p = 6.25, q = 3.74, v = 15.44, from 946 customers who came back."""
    x, mean = columns(cdnow("cdnow_customers_summary_with_transactions"), "x", "zbar")
    paying = x > 0
    fitted = lifetime.fit_amounts(x=x[paying], mean=mean[paying])
    assert paying.sum() == 946
    assert (fitted.p, fitted.q, fitted.v) == pytest.approx((6.25, 3.74, 15.44), abs=0.01)
    assert lifetime.expected_amount(fitted, x=np.array([2.0]), mean=np.array([22.35]))[0] == pytest.approx(
        24.66, abs=0.01
    )
    assert lifetime.expected_amount(fitted, x=np.array([0.0]), mean=np.array([0.0]))[0] == pytest.approx(35.17, abs=0.2)


def simulated(model: BetaGeometric, *, customers: int, until: float, seed: int) -> tuple[Any, Any, Any]:
    """Histories of customers who buy and leave as the model says, drawn one by one."""
    random = np.random.default_rng(seed)
    rate = random.gamma(model.r, 1 / model.alpha, customers)
    leaving = random.beta(model.a, model.b, customers)
    x, t_x = np.zeros(customers), np.zeros(customers)
    for one in range(customers):
        now = random.exponential(1 / rate[one])
        while now <= until:
            x[one], t_x[one] = x[one] + 1, now
            if random.random() < leaving[one]:
                break
            now += random.exponential(1 / rate[one])
    return x, t_x, np.full(customers, until)


@pytest.mark.slow
def test_known_parameters_are_found_again_and_forecasts_add_up() -> None:
    truth = BetaGeometric(r=0.6, alpha=8.0, a=0.8, b=3.0)
    x, t_x, T = simulated(truth, customers=20_000, until=52, seed=4)
    fitted = lifetime.fit_purchases(x=x, t_x=t_x, T=T)
    assert (fitted.r, fitted.alpha) == pytest.approx((0.6, 8.0), rel=0.1)
    assert fitted.a / (fitted.a + fitted.b) == pytest.approx(0.8 / 3.8, rel=0.1)
    longer, _t_x, _T = simulated(truth, customers=20_000, until=78, seed=5)
    forecast = lifetime.expected_purchases(fitted, ahead=26, x=x, t_x=t_x, T=T).sum()
    assert forecast == pytest.approx(longer.sum() - x.sum(), rel=0.1)
    assert lifetime.expected_of_new(fitted, ahead=52) == pytest.approx(x.mean(), rel=0.03)


@pytest.mark.parametrize("a", [0.2, 0.793, 0.9999, 1.0, 1.0001, 1.5, 7.0])
@pytest.mark.parametrize("b", [0.05, 0.3, 2.426, 50.0])
@pytest.mark.parametrize("ahead", [0.001, 1.0, 39.0, 1000.0])
def test_closed_form_and_integral_agree(a: float, b: float, ahead: float) -> None:
    model = BetaGeometric(r=0.243, alpha=4.414, a=a, b=b)
    x = np.array([0.0, 1, 2, 7, 60, 1000])
    T = np.array([0.0, 5, 38.86, 100, 300, 400])
    closed = lifetime._if_alive(model, ahead, x, T)
    integral = lifetime._integrated(model, ahead, x, T)
    assert closed == pytest.approx(integral, rel=1e-4)
    assert np.all(closed >= 0) and np.all(np.isfinite(closed))


def test_the_gradients_are_those_of_the_likelihoods() -> None:
    parameters, step = np.array([0.5, 3.0, 0.8, 2.0]), 1e-6
    x, t_x, T = np.array([0.0, 1, 4, 200]), np.array([0.0, 3, 20, 100]), np.array([10.0, 30, 30, 100.5])
    _value, gradient = lifetime._purchases_likelihood(parameters, x, t_x, T)
    for place in range(4):
        shift = np.eye(4)[place] * step
        higher = lifetime._purchases_likelihood(parameters + shift, x, t_x, T)[0]
        lower = lifetime._purchases_likelihood(parameters - shift, x, t_x, T)[0]
        assert gradient[place] == pytest.approx((higher - lower) / (2 * step), rel=1e-4, abs=1e-5)
    amounts, mean = np.array([6.0, 3.0, 15.0]), np.array([20.0, 35, 10, 400])
    _value, gradient = lifetime._amounts_likelihood(amounts, x + 1, mean)
    for place in range(3):
        shift = np.eye(3)[place] * step
        higher = lifetime._amounts_likelihood(amounts + shift, x + 1, mean)[0]
        lower = lifetime._amounts_likelihood(amounts - shift, x + 1, mean)[0]
        assert gradient[place] == pytest.approx((higher - lower) / (2 * step), rel=1e-4, abs=1e-5)


def test_chances_stay_between_nothing_and_certainty() -> None:
    x, t_x, T = (
        np.array([0.0, 1, 3000, 3000, 2]),
        np.array([0.0, 0.5, 1, 3000, 9]),
        np.array([9.0, 5000, 4000, 3000, 9]),
    )
    alive = lifetime.alive(CDNOW, x=x, t_x=t_x, T=T)
    assert np.all((alive >= 0) & (alive <= 1))
    assert alive[0] == 1  # in this model somebody leaves after a purchase, and the first one is not told
    assert alive[2] < 1e-6 < alive[3]
    assert list(lifetime.expected_purchases(CDNOW, ahead=0, x=x, t_x=t_x, T=T)) == [0.0] * 5


def test_amounts_without_purchases_or_a_mean_are_refused_or_unknown() -> None:
    with pytest.raises(NotFitted):
        lifetime.fit_amounts(x=np.array([1.0, 0.0]), mean=np.array([5.0, 5.0]))
    wild = GammaGamma(p=2.0, q=0.5, v=10.0)
    assert np.isnan(lifetime.expected_amount(wild, x=np.array([0.0]), mean=np.array([0.0]))[0])
