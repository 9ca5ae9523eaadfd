"""Groups of customers by one attribute: cut points found in the data, and how the groups become conditions of rules.

A group is plain data, so that it can be kept: ``{"kind": "range", "low": 25, "high": 40}`` (``high`` left out of it,
either may be None), ``{"kind": "values", "values": [...]}``, ``{"kind": "others", "values": [...]}`` (known, and none
of these), ``{"kind": "has" | "lacks", "values": [word]}`` and ``{"kind": "unknown"}``, always a group of its own.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from crm.attributes import Type
from segments.insight.effects import Codes, Floats

Group = dict[str, Any]
Mask = NDArray[np.bool_]

FEW_VALUES = 5
MOST_VALUES = 8
LEAST_SHARE = 0.02
LEAST_LEAF = 25
MOST_GROUPS = 5
WORDS_LOOKED_AT = 20
ORDERED = (Type.NUMBER, Type.MONEY, Type.DATE)


def find(*, kind: Type, values: Sequence[Any], ranks: Floats, learning: Mask) -> list[Group]:
    """The groups that the customers of ``learning`` suggest; ``ranks`` of an outcome say where to cut numbers."""
    known = np.array([value is not None for value in values])
    seen = known & learning
    chosen = [value for value, here in zip(values, seen, strict=True) if here]
    if not chosen:
        groups: list[Group] = []
    elif kind in ORDERED:
        groups = _ranges(np.array(chosen, dtype=np.float64), ranks[seen], kind)
    elif kind == Type.WORDS:
        groups = _word(chosen, ranks[seen])
    else:
        groups = _values(chosen)
    return [*groups, {"kind": "unknown"}]


def assign(groups: Sequence[Group], values: Sequence[Any], kind: Type) -> Codes:
    """Each customer's group."""
    unknown = len(groups) - 1
    codes = np.full(len(values), unknown, dtype=np.int64)
    known = np.array([value is not None for value in values])
    if not known.any() or unknown == 0:
        return codes
    there = [value for value, here in zip(values, known, strict=True) if here]
    if kind in ORDERED:
        edges = [group["low"] for group in groups[1:-1]]
        codes[known] = np.searchsorted(edges, np.array(there, dtype=np.float64), side="right")
    elif kind == Type.WORDS:
        word = groups[0]["values"][0]
        codes[known] = [0 if word in words else 1 for words in there]
    else:
        place = {value: number for number, group in enumerate(groups) for value in _own(group)}
        others = next((number for number, group in enumerate(groups) if group["kind"] == "others"), unknown)
        codes[known] = [place.get(value, others) for value in there]
    return codes


def _own(group: Group) -> Sequence[Any]:
    return group["values"] if group["kind"] == "values" else ()


def _values(chosen: Sequence[Any]) -> list[Group]:
    """Each frequent value, and the rest together."""
    counted = Counter(chosen)
    if isinstance(chosen[0], bool):
        return [{"kind": "values", "values": [value]} for value in (True, False)]
    frequent = [value for value, number in counted.most_common(MOST_VALUES) if number >= LEAST_SHARE * len(chosen)]
    groups: list[Group] = [{"kind": "values", "values": [value]} for value in sorted(frequent)]
    # Also where it looks empty: the other half may have values that this one lacks.
    return [*groups, {"kind": "others", "values": sorted(frequent)}]


def _word(chosen: Sequence[Sequence[str]], ranks: Floats) -> list[Group]:
    """Whoever has the word that divides them best, and whoever has not."""
    counted = Counter(word for words in chosen for word in set(words))
    best, distance = "", -1.0
    for word, number in counted.most_common(WORDS_LOOKED_AT):
        if number < len(chosen) and number >= min(LEAST_LEAF, LEAST_SHARE * len(chosen)):
            has = np.array([word in words for words in chosen])
            apart = abs(ranks[has].mean() - ranks[~has].mean()) * math.sqrt(has.mean() * (1 - has.mean()))
            if apart > distance:
                best, distance = word, float(apart)
    if not best:
        best = counted.most_common(1)[0][0]
    return [{"kind": "has", "values": [best]}, {"kind": "lacks", "values": [best]}]


def _ranges(numbers: Floats, ranks: Floats, kind: Type) -> list[Group]:
    distinct = np.unique(numbers)
    is_whole = bool(np.all(distinct == np.floor(distinct)))
    if len(distinct) <= FEW_VALUES:
        edges = [float(one) for one in distinct[1:]]
    else:
        cuts = _cuts(numbers, ranks) or [float(cut) for cut in np.quantile(numbers, [0.25, 0.5, 0.75])]
        edges = sorted({_round(cut, kind, is_whole) for cut in cuts})
    kept: list[float] = []
    for edge in edges:  # rounding may have emptied a group
        below = numbers < edge if not kept else (numbers < edge) & (numbers >= kept[-1])
        if below.any() and (numbers >= edge).any():
            kept.append(edge)
    bounds = [None, *(_plain(edge) for edge in kept), None]
    return [{"kind": "range", "low": low, "high": high} for low, high in pairwise(bounds)]


def _cuts(numbers: Floats, ranks: Floats) -> list[float]:
    """Where a small decision tree cuts."""
    leaf = max(LEAST_LEAF, math.ceil(0.05 * len(numbers)))
    if len(numbers) < 2 * leaf:
        return []
    tree = DecisionTreeRegressor(max_leaf_nodes=MOST_GROUPS, min_samples_leaf=leaf, random_state=0)
    tree.fit(numbers[:, None], ranks)
    return sorted(float(cut) for cut in tree.tree_.threshold[tree.tree_.feature >= 0])


def _round(cut: float, kind: Type, is_whole: bool) -> float:
    """A number that people would choose: two digits that count; of dates the day."""
    if kind == Type.DATE or not cut:
        return math.ceil(cut)
    rounded = round(cut, 1 - math.floor(math.log10(abs(cut))))
    return float(math.ceil(rounded) if is_whole else round(rounded, 3))


def _plain(edge: float) -> int | float:
    return int(edge) if edge == int(edge) else edge
