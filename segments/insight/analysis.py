"""From columns of values and outcomes to findings: no database here, so that it can be tried on made-up shops."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from crm.attributes import Type
from segments.insight import groups
from segments.insight.effects import Codes, Effect, Floats, effects, mid_ranks, share_explained
from segments.insight.findings import Explained, Finding, Part
from segments.insight.groups import Group, Mask

BARS = 12
LEAST_CUSTOMERS = 50
"""An outcome that fewer customers have is not looked at."""

Outcomes = Mapping[str, Floats]


@dataclass(frozen=True)
class Column:
    """What is known of each customer: ``values`` at the day of the analysis, ``earlier`` some time before."""

    kind: Type
    values: Sequence[Any]
    earlier: Sequence[Any] | None = None


def halves(customers: int, *, seed: int = 7) -> Mask:
    """Which customers the cut points are found on; the others judge them."""
    learning = np.zeros(customers, dtype=bool)
    learning[np.random.default_rng(seed).permutation(customers)[: customers // 2]] = True
    return learning


def analyse(
    columns: Mapping[str, Column], outcomes: Outcomes, *, earlier: Outcomes | None = None, draws: int = 500
) -> dict[str, Finding]:
    """A finding for each attribute. The first outcome says where numbers are cut; all of them judge the groups."""
    usable = {name: one for name, one in outcomes.items() if (~np.isnan(one)).sum() >= LEAST_CUSTOMERS}
    if not usable or not columns:
        return {}
    first = next(iter(usable.values()))
    learning = halves(len(first))
    ranks = np.full(len(first), 0.5)
    known = ~np.isnan(first)
    ranks[known] = mid_ranks(first[known])
    cuts, codes = {}, {}
    for key, column in columns.items():
        cuts[key] = groups.find(kind=column.kind, values=column.values, ranks=ranks, learning=learning & known)
        codes[key] = groups.assign(cuts[key], column.values, column.kind)
    judged = _judge(codes, usable, ~learning, draws)
    found = {}
    for key, column in columns.items():
        explained = {
            name: _explained(judged[name][key], codes[key], cuts[key], usable[name], ~learning) for name in usable
        }
        if column.earlier is not None and earlier:
            before = groups.assign(cuts[key], column.earlier, column.kind)
            explained = {
                name: _compared(one, (codes[key], usable[name]), (before, earlier[name]))
                for name, one in explained.items()
            }
        found[key] = Finding(
            known=float(np.mean(codes[key] != len(cuts[key]) - 1)),
            evenness=_evenness(codes[key], len(cuts[key]) - 1),
            parts=_parts(cuts[key], codes[key], usable, ~learning),
            outcomes=explained,
            bars=_bars(column),
        )
    return found


def compare(members: Mapping[str, Codes], outcomes: Outcomes, *, draws: int = 500) -> dict[str, Finding]:
    """A finding for each segment: its members (1) against everybody else (0), as of the day of the analysis."""
    usable = {name: one for name, one in outcomes.items() if (~np.isnan(one)).sum() >= LEAST_CUSTOMERS}
    if not usable or not members:
        return {}
    everybody = np.ones(len(next(iter(usable.values()))), dtype=bool)
    judged = _judge(members, usable, everybody, draws)
    inside_or_not: list[Group] = [{"kind": "others"}, {"kind": "members"}]
    return {
        key: Finding(
            known=1.0,
            evenness=_evenness(codes, 2),
            parts=_parts(inside_or_not, codes, usable, everybody),
            outcomes={name: _plain(judged[name][key]) for name in usable},
        )
        for key, codes in members.items()
    }


def _judge(codes: Mapping[str, Codes], outcomes: Outcomes, judging: Mask, draws: int) -> dict[str, dict[str, Effect]]:
    """The effects by outcome and attribute, all intervals holding together."""
    keys = list(codes)
    return {
        name: dict(
            zip(
                keys,
                effects([codes[key][judging] for key in keys], outcome[judging], looks=len(outcomes), draws=draws),
                strict=True,
            )
        )
        for name, outcome in outcomes.items()
    }


def _plain(effect: Effect, by_known: float = 0.0) -> Explained:
    return Explained(
        share=effect.share, low=effect.low, high=effect.high, customers=effect.customers, by_known=by_known
    )


def _explained(effect: Effect, codes: Codes, cut: Sequence[Group], outcome: Floats, judging: Mask) -> Explained:
    is_known = (codes[judging] != len(cut) - 1).astype(np.int64)
    return _plain(effect, share_explained(is_known, outcome[judging]))


def _compared(one: Explained, now: tuple[Codes, Floats], before: tuple[Codes, Floats]) -> Explained:
    """With how it was in the time before, by the same cut points."""
    if (~np.isnan(before[1])).sum() < LEAST_CUSTOMERS:
        return one
    means = [_means(codes, outcome) for codes, outcome in (now, before)]
    both = [(means[0][code], means[1][code]) for code in means[0].keys() & means[1].keys()]
    agreement = None
    if len(both) > 1 and all(len({pair[side] for pair in both}) > 1 for side in (0, 1)):
        agreement = float(spearmanr([a for a, _ in both], [b for _, b in both]).statistic)
    return Explained(
        share=one.share,
        low=one.low,
        high=one.high,
        customers=one.customers,
        by_known=one.by_known,
        earlier=share_explained(*before),
        agreement=agreement,
    )


def _means(codes: Codes, outcome: Floats) -> dict[int, float]:
    """The mean rank of each group that has customers enough to have a place."""
    known = ~np.isnan(outcome)
    codes, ranks = codes[known], mid_ranks(outcome[known])
    return {int(code): float(ranks[codes == code].mean()) for code in np.unique(codes) if (codes == code).sum() >= 10}


def _parts(cut: Sequence[Group], codes: Codes, outcomes: Outcomes, judging: Mask) -> list[Part]:
    """The groups that anybody is in. Averages are those of the customers who judge."""
    parts = []
    for place, group in enumerate(cut):
        inside = codes == place
        if not inside.any():
            continue
        averages = {}
        for name, outcome in outcomes.items():
            theirs = outcome[inside & judging]
            theirs = theirs[~np.isnan(theirs)]
            averages[name] = float(theirs.mean()) if len(theirs) else None
        parts.append(Part(group=group, customers=int(inside.sum()), share=float(inside.mean()), averages=averages))
    return parts


def _evenness(codes: Codes, unknown: int) -> float:
    """Entropy of the known groups' sizes as a share of the most that as many groups could have."""
    counts = np.bincount(codes[codes != unknown])
    counts = counts[counts > 0]
    if len(counts) < 2:
        return 0.0
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum() / math.log(len(counts)))


def _bars(column: Column) -> list[dict[str, Any]]:
    """The distribution of what is known, as the bars of a plot."""
    known = [value for value in column.values if value is not None]
    if not known:
        return []
    if column.kind not in groups.ORDERED:
        if column.kind == Type.WORDS:
            counted = Counter(word for words in known for word in set(words))
        else:
            counted = Counter(known)
        shown = counted.most_common(BARS)
        bars = [{"value": value, "customers": number} for value, number in shown]
        rest = sum(counted.values()) - sum(number for _value, number in shown)
        return [*bars, {"value": None, "customers": rest}] if rest else bars
    numbers = np.array(known, dtype=np.float64)
    distinct = np.unique(numbers)
    if len(distinct) <= BARS:
        return [{"low": float(one), "high": float(one), "customers": int((numbers == one).sum())} for one in distinct]
    low, high = np.quantile(numbers, [0.01, 0.99])
    edges = np.unique(_nice_edges(float(low), float(high)))
    places = np.searchsorted(edges, numbers, side="right") - 1
    counts = np.bincount(np.clip(places, 0, len(edges) - 2), minlength=len(edges) - 1)
    return [
        {"low": float(start), "high": float(end), "customers": int(number)}
        for start, end, number in zip(edges, edges[1:], counts, strict=False)
    ]


def _nice_edges(low: float, high: float) -> Floats:
    """Round steps of 1, 2 or 5 times a power of ten from below ``low`` to above ``high``."""
    width = max((high - low) / BARS, 1e-9)
    power = 10.0 ** math.floor(math.log10(width))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= width)
    start = math.floor(low / step) * step
    edges: Floats = start + step * np.arange(math.ceil((high - start) / step) + 2, dtype=np.float64)
    return edges
