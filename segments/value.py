"""Expected value: what customers will probably buy and spend, from :mod:`segments.lifetime`, kept by a nightly job.

One unit throughout: a *purchase day*, a day of the shop with a sale. A customer's amount is their net spend since the
day after their first purchase, for each of their repeat purchase days.

Only customers whose true first purchase is known take part. Records begin somewhere, and whoever first appears soon
after may have bought before: they are left out, for as long as it usually takes somebody to come again (the longest
gap between purchase days but for one in twenty). Nobody else is told an expected value.

A model is used only where it earned it on this shop's own past: it is fitted on everything up to a day, its forecast of
the time since is set against what happened, and it must be nearer than two naive forecasts ("they go on as fast as so
far", "they do what they did in the stretch before"), and not by luck.
"""

import logging
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from crm.days import months_before, shop_day
from crm.models import Shop
from segments import lifetime
from segments.expected import BINS, LEAST_BUYERS, LEAST_REPEATERS
from segments.lifetime import BetaGeometric, GammaGamma, Numbers
from segments.models import ValueModel

log = logging.getLogger(__name__)

FITTED_ON = 50_000
"""More customers than these are drawn from at random: the parameters are known to three digits by then."""
DRAWS = 400
SURE = 0.95
USUAL_GAP = 0.95

# A row a buyer: days and spend up to a cut (the end of what the model may see), and days and spend after it.
_HISTORIES = """
WITH days AS (
    SELECT customer_id, sold_on, bool_or(kind = 'sale') AS bought, sum(total_minor) AS spend
      FROM crm_receipt
     WHERE customer_id IS NOT NULL AND sold_on <= %(today)s
       AND customer_id NOT IN (SELECT id FROM crm_customer
                               WHERE merged_into_id IS NOT NULL OR erased_at IS NOT NULL OR no_profiling)
     GROUP BY customer_id, sold_on
), firsts AS (
    SELECT customer_id, min(sold_on) AS first_on FROM days WHERE bought GROUP BY customer_id
)
SELECT customer_id, first_on - DATE '1970-01-01',
       coalesce(max(sold_on) FILTER (WHERE bought AND sold_on <= %(cut)s), first_on) - first_on,
       count(*) FILTER (WHERE bought AND sold_on > first_on AND sold_on <= %(cut)s),
       coalesce(sum(spend) FILTER (WHERE sold_on > first_on AND sold_on <= %(cut)s), 0)::float8,
       count(*) FILTER (WHERE bought AND sold_on > %(cut)s),
       coalesce(sum(spend) FILTER (WHERE sold_on > %(cut)s), 0)::float8,
       count(*) FILTER (WHERE bought AND sold_on > first_on AND sold_on <= %(cut)s AND sold_on > %(before)s)
  FROM days JOIN firsts USING (customer_id)
 WHERE first_on <= %(cut)s
 GROUP BY customer_id, first_on
 ORDER BY customer_id
"""
_GAP = """
SELECT percentile_disc(%(share)s) WITHIN GROUP (ORDER BY gap)
  FROM (SELECT sold_on - lag(sold_on) OVER (PARTITION BY customer_id ORDER BY sold_on) AS gap
          FROM crm_receipt
         WHERE customer_id IS NOT NULL AND kind = 'sale' AND sold_on <= %(today)s) AS gaps
 WHERE gap > 0
"""


@dataclass(frozen=True)
class Histories:
    """Customers in columns; days and amounts as floats, amounts in hundredths."""

    customer_ids: npt.NDArray[np.int64]
    x: Numbers
    t_x: Numbers
    T: Numbers
    spend: Numbers
    later: Numbers
    later_spend: Numbers
    lately: Numbers

    @property
    def mean(self) -> Numbers:
        """Net spend for each repeat purchase day; 0 without one."""
        return np.where(self.x > 0, self.spend / np.maximum(self.x, 1), 0.0)


def read(*, today: date, cut: date, known_from: date) -> Histories:
    """Customers whose first purchase lies between ``known_from`` and ``cut``, as they were on the day ``cut``."""
    before = cut - (today - cut)
    with connection.cursor() as cursor:
        cursor.execute(_HISTORIES, {"today": today, "cut": cut, "before": before})
        rows = np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, 8)
    epoch = date(1970, 1, 1)
    rows = rows[rows[:, 1] >= (known_from - epoch).days]
    ids, first, last, repeats, spend, later, later_spend, lately = rows.T
    age = (cut - epoch).days - first
    return Histories(ids.astype(np.int64), repeats, last, age, spend, later, later_spend, lately)


def known_from(*, today: date) -> date | None:
    """The day from which on a first purchase in the records is a customer's first; None without repeat purchases."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(sold_on) FROM crm_receipt WHERE sold_on <= %s", [today])
        begins = cursor.fetchone()[0]
        cursor.execute(_GAP, {"share": USUAL_GAP, "today": today})
        gap = cursor.fetchone()[0]
    return None if begins is None or gap is None else begins + timedelta(days=int(gap))


@dataclass(frozen=True)
class Fitted:
    purchases: BetaGeometric
    amounts: GammaGamma | None
    correlation: float | None
    """Between how often repeat buyers came back and what a purchase day of theirs comes to."""


def fit(histories: Histories) -> Fitted:
    """The likeliest models for these customers. Raises :class:`segments.lifetime.NotFitted`."""
    chosen = _sample(len(histories.x))
    x, mean = histories.x[chosen], histories.mean[chosen]
    purchases = lifetime.fit_purchases(x=x, t_x=histories.t_x[chosen], T=histories.T[chosen])
    paying = (x > 0) & (mean > 0)
    amounts = correlation = None
    if paying.sum() >= LEAST_REPEATERS:
        amounts = lifetime.fit_amounts(x=x[paying], mean=mean[paying])
        if np.std(x[paying]) > 0 and np.std(mean[paying]) > 0:
            correlation = float(np.corrcoef(x[paying], mean[paying])[0, 1])
    return Fitted(purchases, amounts, correlation)


def _sample(number: int) -> Any:
    if number <= FITTED_ON:
        return slice(None)
    return np.sort(np.random.default_rng(number).choice(number, FITTED_ON, replace=False))


def forecast(fitted: Fitted, histories: Histories, *, days: float) -> tuple[Numbers, Numbers | None]:
    """Expected purchase days and spend of each within so many days; no spend where amounts could not be fitted."""
    purchases = lifetime.expected_purchases(
        fitted.purchases, ahead=days, x=histories.x, t_x=histories.t_x, T=histories.T
    )
    if fitted.amounts is None:
        return purchases, None
    each = lifetime.expected_amount(fitted.amounts, x=histories.x, mean=np.maximum(histories.mean, 0))
    return purchases, None if np.isnan(each).any() else purchases * each


@dataclass(frozen=True)
class Trial:
    """How a forecast did on what it had not seen. Errors are root mean squares a customer."""

    error: float
    naive_error: float
    """Of the better of the two naive forecasts."""
    chance: float
    """In how many draws of the customers (with replacement) the forecast was the nearer one."""

    @property
    def is_passed(self) -> bool:
        return self.error < self.naive_error and self.chance >= SURE


def try_out(*, actual: Numbers, predicted: Numbers, naive: list[Numbers]) -> Trial:
    """Set a forecast against the best of the naive ones; the draws tell whether it won by luck."""
    squares = (predicted - actual) ** 2
    others = min(((one - actual) ** 2 for one in naive), key=lambda one: float(one.mean()))
    ahead, random = others - squares, np.random.default_rng(1)
    draws = (ahead[random.integers(0, len(ahead), len(ahead))].mean() for _draw in range(DRAWS))
    return Trial(
        error=float(np.sqrt(squares.mean())),
        naive_error=float(np.sqrt(others.mean())),
        chance=float(np.mean([one > 0 for one in draws])),
    )


def calibration(histories: Histories, predicted: Numbers, naive: Numbers) -> list[dict[str, Any]]:
    """Customers by how often they had come back: what was forecast for them on average, and what they did."""
    group = np.minimum(histories.x, BINS - 1)
    rows = []
    for times in range(BINS):
        those = group == times
        if those.any():
            rows.append(
                {
                    "times": times,
                    "customers": int(those.sum()),
                    "forecast": float(predicted[those].mean()),
                    "naive": float(naive[those].mean()),
                    "actual": float(histories.later[those].mean()),
                }
            )
    return rows


def judge(*, today: date, months: int, since: date) -> dict[str, Any]:
    """Fit on the past alone and compare with what came after it. Plain data; ``why_not`` where that can't be done."""
    days = min((today - months_before(today, months)).days, (today - since).days // 3)
    cut = today - timedelta(days=days)
    seen = read(today=today, cut=cut, known_from=since)
    repeaters = int((seen.x > 0).sum())
    result: dict[str, Any] = {"cut_on": cut.isoformat(), "days": days, "buyers": len(seen.x), "repeaters": repeaters}
    if days < 14 or len(seen.x) < LEAST_BUYERS or repeaters < LEAST_REPEATERS:
        return result | {"why_not": "few"}
    fitted = fit(seen)
    purchases, spend = forecast(fitted, seen, days=days)
    # As fast as so far; the first purchase counts as one, so that nobody is expected never to come back.
    rate = (seen.x + 1) / np.maximum(seen.T, days) * days
    trial = try_out(actual=seen.later, predicted=purchases, naive=[rate, seen.lately])
    result |= {
        "trial": vars(trial),
        "calibration": calibration(seen, purchases, rate),
        "forecast": float(purchases.sum()),
        "actual": float(seen.later.sum()),
    }
    if spend is not None:
        each = np.where(seen.x > 0, seen.mean, seen.spend.sum() / max(seen.x.sum(), 1))
        money = try_out(actual=seen.later_spend, predicted=spend, naive=[rate * each, seen.lately * each])
        result |= {"money_trial": vars(money), "money_passed": money.is_passed}
    return result | ({} if trial.is_passed else {"why_not": "no better"})


def remake(*, now: datetime) -> ValueModel:
    """Try the model out on the past, fit it on everything, and tell each customer's expected value, or nobody's."""
    today, months = shop_day(now), Shop.current().forecast_months
    since = known_from(today=today)
    result: dict[str, Any] = {"why_not": "few", "buyers": 0, "repeaters": 0}
    values: tuple[Any, ...] | None = None
    if since is not None:
        try:
            result = {**judge(today=today, months=months, since=since), "known_from": since.isoformat()}
            if "why_not" not in result:
                values = _values(today, months, since, result)
        except lifetime.NotFitted:
            result |= {"why_not": "not fitted"}
    with transaction.atomic():
        made = ValueModel.objects.create(
            made_at=now, made_on=today, months=months, is_used=values is not None, result=result
        )
        _store(values)
    log.info("Expected value: %s", "in use" if values is not None else result.get("why_not"))
    return made


def _values(today: date, months: int, since: date, result: dict[str, Any]) -> tuple[Any, ...]:
    everybody = read(today=today, cut=today, known_from=since)
    fitted = fit(everybody)
    days = (today - months_before(today, months)).days
    purchases, spend = forecast(fitted, everybody, days=days)
    alive = lifetime.alive(fitted.purchases, x=everybody.x, t_x=everybody.t_x, T=everybody.T)
    result["parameters"] = dict(zip(("r", "alpha", "a", "b"), astuple(fitted.purchases), strict=False))
    result["correlation"] = fitted.correlation
    if fitted.amounts is not None:
        result["amounts"] = dict(zip(("p", "q", "v"), astuple(fitted.amounts), strict=False))
    shown = spend if result.get("money_passed") else None
    return everybody.customer_ids, alive, purchases, shown


def _store(values: tuple[Any, ...] | None) -> None:
    """Everybody's expected value in place of what was stored."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE made (LIKE segments_customervalue) ON COMMIT DROP")
        if values is not None:
            with cursor.copy("COPY made (customer_id, alive, purchases, spend_minor) FROM STDIN") as copy:
                for row in _rows(*values):
                    copy.write_row(row)
        cursor.execute(
            "DELETE FROM segments_customervalue AS known"
            " WHERE NOT EXISTS (SELECT FROM made WHERE made.customer_id = known.customer_id)"
        )
        cursor.execute(
            """
            INSERT INTO segments_customervalue AS known (customer_id, alive, purchases, spend_minor)
            SELECT made.customer_id, made.alive, made.purchases, made.spend_minor
              FROM made JOIN crm_customer AS customer ON customer.id = made.customer_id
             WHERE customer.merged_into_id IS NULL AND customer.erased_at IS NULL AND NOT customer.no_profiling
             ORDER BY made.customer_id
                ON CONFLICT (customer_id) DO UPDATE
               SET alive = excluded.alive, purchases = excluded.purchases, spend_minor = excluded.spend_minor
             WHERE (known.alive, known.purchases, known.spend_minor)
                   IS DISTINCT FROM (excluded.alive, excluded.purchases, excluded.spend_minor)
            """
        )
        cursor.execute("DROP TABLE made")


def _rows(ids: Any, alive: Numbers, purchases: Numbers, spend: Numbers | None) -> Iterator[tuple[Any, ...]]:
    for place, customer_id in enumerate(ids):
        amount = None if spend is None else round(float(spend[place]))
        yield int(customer_id), round(100 * float(alive[place]), 2), round(float(purchases[place]), 3), amount
