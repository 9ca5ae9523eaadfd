"""How many more purchases, and for how much: BG/NBD and Gamma-Gamma, fitted by maximum likelihood. Only numbers here.

*BG/NBD*: P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting Your Customers" the Easy Way: An Alternative to the
Pareto/NBD Model, Marketing Science 24 (2005) 275-284. Customers buy at rates that are gamma distributed (r, alpha), and
after each purchase stay away for good with chances that are beta distributed (a, b).

*Gamma-Gamma*: P. S. Fader and B. G. S. Hardie, The Gamma-Gamma Model of Monetary Value (2013). The amounts of a
customer are gamma distributed (p, nu), and nu is so between customers (q, v). It takes amounts to be independent of
how often somebody buys, so look at their correlation before believing it.

A customer's history is three numbers: ``x`` repeat purchases, the last of them ``t_x`` after the first purchase, which
was ``T`` ago (any unit of time, the same for all).

Numerically: likelihoods are sums of logarithms with log-gamma and log-sum-exp, gradients are exact, parameters are
searched by their logarithms. The expectation's hypergeometric function is taken after Euler's transformation
(DLMF 15.8.1), where its parameters stay small however often somebody bought; where that is singular (a = 1, a + b + x
= 1) the same expectation is integrated instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, hyp2f1

Numbers: TypeAlias = npt.NDArray[np.float64]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(48)
NEAR = 1e-3
"""How near to a singularity the closed form is left for the integral."""
BOUNDS = (-9.0, 9.0)
"""Of the logarithms of parameters: nothing beyond can be told from data."""


class NotFitted(Exception):
    """The likelihood has no maximum that could be found: too little data, or all alike."""


@dataclass(frozen=True)
class BetaGeometric:
    """The parameters of BG/NBD; ``log_likelihood`` is that of the data that they were fitted to."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = float("nan")


@dataclass(frozen=True)
class GammaGamma:
    p: float
    q: float
    v: float
    log_likelihood: float = float("nan")


def fit_purchases(*, x: Numbers, t_x: Numbers, T: Numbers) -> BetaGeometric:
    """The likeliest BG/NBD for these histories. Raises :class:`NotFitted`."""
    histories, counts = np.unique(np.column_stack([x, t_x, T]), axis=0, return_counts=True)
    times, last, age = histories.T
    unit = float(np.max(age)) or 1.0  # so that alpha is of the size of the others

    def loss(logs: Numbers) -> tuple[float, Numbers]:
        value, gradient = _purchases_likelihood(np.exp(logs), times, last / unit, age / unit)
        return -float(counts @ value), -(gradient @ counts) * np.exp(logs)

    starts = [np.log([shape, scale, 1.0, out]) for shape in (0.5, 2.0) for scale in (0.1, 1.0) for out in (2.0, 10.0)]
    logs = _lowest(loss, starts, total=float(counts.sum()))
    r, alpha, a, b = np.exp(logs)
    fitted = BetaGeometric(float(r), float(alpha * unit), float(a), float(b))
    return replace(fitted, log_likelihood=float(counts @ log_likelihood(fitted, x=times, t_x=last, T=age)))


def log_likelihood(model: BetaGeometric, *, x: Numbers, t_x: Numbers, T: Numbers) -> Numbers:
    """Of each history (equation 6 of the paper)."""
    return _purchases_likelihood(np.array(astuple(model)[:4]), x, t_x, T)[0]


def _purchases_likelihood(parameters: Numbers, x: Numbers, t_x: Numbers, T: Numbers) -> tuple[Numbers, Numbers]:
    """The logarithm of each history's likelihood, and its gradient by r, alpha, a, b (a row each)."""
    r, alpha, a, b = parameters
    again = x > 0
    survived = np.where(again, b + x - 1, 1.0)
    staying = -(r + x) * np.log(alpha + T)
    gone = np.where(again, np.log(a) - np.log(survived) - (r + x) * np.log(alpha + t_x), -np.inf)
    either = np.logaddexp(staying, gone)
    value = (
        gammaln(r + x)
        - gammaln(r)
        + r * np.log(alpha)
        + gammaln(a + b)
        + gammaln(b + x)
        - gammaln(b)
        - gammaln(a + b + x)
        + either
    )
    stays, goes = np.exp(staying - either), np.exp(gone - either)
    by_both = digamma(a + b) - digamma(a + b + x)
    gradient = np.array(
        [
            digamma(r + x) - digamma(r) + np.log(alpha) - stays * np.log(alpha + T) - goes * np.log(alpha + t_x),
            r / alpha - stays * (r + x) / (alpha + T) - goes * (r + x) / (alpha + t_x),
            by_both + goes / a,
            by_both + digamma(b + x) - digamma(b) - np.where(again, goes / survived, 0.0),
        ]
    )
    return value, gradient


def alive(model: BetaGeometric, *, x: Numbers, t_x: Numbers, T: Numbers) -> Numbers:
    """The probability that each is still a customer. One who bought only once cannot have left, in this model."""
    x, t_x, T = np.broadcast_arrays(*map(_numbers, (x, t_x, T)))
    again = x > 0
    log_odds_gone = (
        np.log(model.a)
        - np.log(np.where(again, model.b + x - 1, 1.0))
        + (model.r + x) * (np.log(model.alpha + T) - np.log(model.alpha + t_x))
    )
    return np.where(again, 1 / (1 + np.exp(np.minimum(log_odds_gone, 700))), 1.0)


def expected_purchases(
    model: BetaGeometric,
    *,
    ahead: float,
    x: Numbers,
    t_x: Numbers,
    T: Numbers,
) -> Numbers:
    """How many purchases each is expected to make within ``ahead`` (equation 10 of the paper)."""
    x, t_x, T = np.broadcast_arrays(*map(_numbers, (x, t_x, T)))
    return alive(model, x=x, t_x=t_x, T=T) * _if_alive(model, ahead, x, T)


def expected_of_new(model: BetaGeometric, *, ahead: float) -> float:
    """How many repeat purchases somebody who has just bought for the first time will make within ``ahead``."""
    return float(_if_alive(model, ahead, _numbers([0]), _numbers([0]))[0])


def _if_alive(model: BetaGeometric, ahead: float, x: Numbers, T: Numbers) -> Numbers:
    r, alpha, a, b, *_rest = astuple(model)
    if ahead <= 0:
        return np.zeros_like(x)
    share = ahead / (alpha + T + ahead)
    c = a + b + x - 1
    if abs(a - 1) < NEAR:
        return _integrated(model, ahead, x, T)
    with np.errstate(all="ignore"):
        inner = np.exp((a - 1) * np.log1p(-share)) * hyp2f1(a + b - 1 - r, a - 1, c, share)
        closed = c / (a - 1) * (1 - inner)
    # Where the closed form loses its digits it gives nonsense: less than nothing, or more than if nobody ever left.
    most = (r + x) / (alpha + T) * ahead
    doubtful = (c < NEAR) | ~np.isfinite(closed) | (closed < 0) | (closed > most * (1 + 1e-9))
    if doubtful.any():
        closed[doubtful] = _integrated(model, ahead, x[doubtful], T[doubtful])
    return closed


def _integrated(model: BetaGeometric, ahead: float, x: Numbers, T: Numbers) -> Numbers:
    """The same as an integral over time of the rate of purchases, by Gauss and Legendre."""
    r, alpha, a, b, *_rest = astuple(model)
    total = np.zeros_like(x)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        passed = ahead * (node + 1) / 2
        z = passed / (alpha + T)
        # Euler's transformation again: no parameter grows with the number of purchases.
        total += weight * np.exp(-a * np.log1p(z)) * hyp2f1(a + b - 1 - r, a, a + b + x, z / (1 + z))
    return total * (ahead / 2) * (r + x) / (alpha + T)


def fit_amounts(*, x: Numbers, mean: Numbers) -> GammaGamma:
    """The likeliest Gamma-Gamma for customers with ``x`` > 0 purchases of ``mean`` > 0 each. Raises NotFitted."""
    if len(x) < 2 or not (np.all(x > 0) and np.all(mean > 0)):
        raise NotFitted
    unit = float(np.mean(mean))

    def loss(logs: Numbers) -> tuple[float, Numbers]:
        value, gradient = _amounts_likelihood(np.exp(logs), x, mean / unit)
        return -float(value.sum()), -gradient.sum(axis=1) * np.exp(logs)

    logs = _lowest(loss, [np.log([p, q, 1.0]) for p in (1.0, 6.0) for q in (2.0, 6.0)], total=float(len(x)))
    p, q, v = np.exp(logs)
    value, _gradient = _amounts_likelihood(np.array([p, q, v * unit]), x, mean)
    return GammaGamma(float(p), float(q), float(v * unit), log_likelihood=float(value.sum()))


def _amounts_likelihood(parameters: Numbers, x: Numbers, mean: Numbers) -> tuple[Numbers, Numbers]:
    p, q, v = parameters
    shape, total = p * x, v + x * mean
    value = (
        gammaln(shape + q)
        - gammaln(shape)
        - gammaln(q)
        + q * np.log(v)
        + (shape - 1) * np.log(mean)
        + shape * np.log(x)
        - (shape + q) * np.log(total)
    )
    gradient = np.array(
        [
            x * (digamma(shape + q) - digamma(shape) + np.log(mean) + np.log(x) - np.log(total)),
            digamma(shape + q) - digamma(q) + np.log(v) - np.log(total),
            q / v - (shape + q) / total,
        ]
    )
    return value, gradient


def expected_amount(model: GammaGamma, *, x: Numbers, mean: Numbers) -> Numbers:
    """What a purchase of each is expected to come to: between their own mean and everybody's, the nearer to their own
    the more they bought. NaN where the model gives no mean (``q`` of at most 1, and no purchase)."""
    x, mean = np.broadcast_arrays(_numbers(x), _numbers(mean))
    below = model.p * x + model.q - 1
    with np.errstate(all="ignore"):
        return np.where(below > 0, model.p * (model.v + x * mean) / below, np.nan)


def _lowest(loss: Callable[[Numbers], tuple[float, Numbers]], starts: Sequence[Numbers], *, total: float) -> Numbers:
    """The logarithms at which the loss is least, from the best of several starts. Raises NotFitted."""
    best: tuple[float, Numbers] | None = None
    for start in starts:
        # Per customer, so that the search ends at the same precision however many there are.
        found = minimize(
            lambda logs: tuple(part / total for part in loss(logs)),
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[BOUNDS] * len(start),
            options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9},
        )
        if np.all(np.isfinite(found.x)) and np.isfinite(found.fun) and (best is None or found.fun < best[0]):
            best = (float(found.fun), found.x)
    if best is None:
        raise NotFitted
    return best[1]


def _numbers(values: Any) -> Numbers:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
