"""What the page of clusters shows, and the form that asks for them."""

import json
from typing import Any

from django import forms
from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.attributes import Attribute, Filter, Type
from crm.models import Category, CustomerCategory
from segments.clusters import features as features_
from segments.clusters.attribute import current
from segments.clusters.features import MOST, USUAL, Feature
from segments.insight.wording import value_label
from segments.models import Cluster, ClusterModel
from segments.rules import dump
from segments.tree import And, Condition, Node

CATEGORIES = 12
APART, FAR_APART = 0.4, 0.8
"""From how many standard deviations on a cluster is said to be other than all customers, and by much."""
WELL_APART = 0.25
COUNTS = [(str(number), str(number)) for number in range(2, 11)]


class ClusterForm(forms.Form):
    """Which figures customers are compared by, and how many clusters there shall be."""

    figures = forms.MultipleChoiceField(
        label=gettext_lazy("Compare them by"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one figure.")},
    )
    categories = forms.MultipleChoiceField(
        label=gettext_lazy("and by what they spend on"), widget=forms.CheckboxSelectMultiple, required=False
    )
    count = forms.TypedChoiceField(
        label=gettext_lazy("How many"), required=False, coerce=int, empty_value=None, choices=[]
    )

    def __init__(self, data: Any = None) -> None:
        model = current()
        chosen = [features_.read(one) for one in model.features] if model else [Feature(name, {}) for name in USUAL]
        initial = {
            "figures": [one.name for one in chosen if not one.filters],
            "categories": [one.filters[Filter.CATEGORY] for one in chosen if Filter.CATEGORY in one.filters],
            "count": str(model.asked_count) if model and model.asked_count else "",
        }
        super().__init__(data, initial=initial)
        self.fields["figures"].choices = [(one.name, _capital(one)) for one in features_.offered()]  # type: ignore[attr-defined]
        paths = list(dict.fromkeys([*large_categories(), *initial["categories"]]))
        self.fields["categories"].choices = [(path, path) for path in paths]  # type: ignore[attr-defined]
        self.fields["count"].choices = [("", _("as many as lie apart best")), *COUNTS]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if len(cleaned.get("figures", [])) + len(cleaned.get("categories", [])) > MOST:
            raise forms.ValidationError(_("Choose %(most)d at most: the more, the less they say.") % {"most": MOST})
        return cleaned

    def features(self) -> list[dict[str, Any]]:
        plain = [Feature(name, {}) for name in self.cleaned_data["figures"]]
        spent = [Feature("spend", {Filter.CATEGORY: path}) for path in self.cleaned_data["categories"]]
        return [{name: one.as_data()[name] for name in ("attribute", "filters")} for one in (*plain, *spent)]


def _capital(attribute: Attribute) -> str:
    label = str(attribute.label)
    return label[:1].upper() + label[1:]


def large_categories() -> list[str]:
    """The categories of the second level (of the first, where there is no second) with most buyers."""
    level = Category.objects.filter(parent__isnull=False, parent__parent=None)
    chosen = level if level.exists() else Category.objects.filter(parent=None)
    bought = CustomerCategory.objects.order_by().filter(category__in=chosen.order_by(), receipts__gt=0)
    counted = bought.values_list("category__path").annotate(buyers=Count("pk")).order_by("-buyers", "category__path")
    return [path for path, _buyers in counted[:CATEGORIES]]


def page(form: ClusterForm) -> dict[str, Any]:
    model = current()
    found: dict[str, Any] = {"form": form, "model": model}
    if model is None:
        return found
    features = [features_.read(one) for one in model.features]
    clusters = list(model.clusters.order_by("-members", "name"))
    best = max(model.silhouettes.values(), default=0.0)
    return {
        **found,
        "clusters": [_card(one, features, model) for one in clusters],
        "features": [_capital_word(one.label) for one in features],
        "chart": _sizes(clusters, model),
        "silhouettes": _silhouettes(model),
        "is_apart": best >= WELL_APART,
    }


def _capital_word(word: str) -> str:
    return word[:1].upper() + word[1:]


def _card(cluster: Cluster, features: list[Feature], model: ClusterModel) -> dict[str, Any]:
    name, rule = rule_of(cluster)
    apart = describe(cluster, features)
    words = ", ".join(f"{one['label']}: {one['how']}" for one in apart)
    return {
        "cluster": cluster,
        "name": name,
        "share": cluster.members / model.customers if model.customers else 0.0,
        "apart": apart,
        "words": _capital_word(words) if words else _("Like all customers."),
        "rule": json.dumps(dump(rule), ensure_ascii=False),
        "is_new": cluster.data.get("is_new", False),
    }


def describe(cluster: Cluster, features: list[Feature]) -> list[dict[str, Any]]:
    """What sets it apart from all customers, the most first: in words, and by the typical (median) figures."""
    told = []
    for place, feature in enumerate(features):
        off, attribute = cluster.centre[place], feature.attribute
        if abs(off) < APART or attribute is None:
            continue
        told.append(
            {
                "off": off,
                "label": feature.label,
                "how": _how(off),
                "typical": _figure(cluster.data["medians"][place], attribute),
                "everybody": _figure(cluster.data["everybody"][place], attribute),
            }
        )
    return sorted(told, key=lambda one: -abs(one["off"]))


def _how(off: float) -> str:
    if off > 0:
        return _("much more") if off >= FAR_APART else _("more")
    return _("much less") if off <= -FAR_APART else _("less")


def _figure(value: float, attribute: Attribute) -> str:
    return value_label(round(value) if attribute.type == Type.MONEY or attribute.whole else round(value, 1), attribute)


def _sizes(clusters: list[Cluster], model: ClusterModel) -> dict[str, Any]:
    return {
        "id": "clusters",
        "label": _("Share of the customers in each cluster"),
        "kind": "bars",
        "unit": "percent",
        "categories": [one.name for one in clusters],
        "series": [
            {
                "name": _("Customers"),
                "values": [round(one.members / max(model.customers, 1), 4) for one in clusters],
                "tone": "accent",
            }
        ],
        "height": 60 + 34 * len(clusters),
    }


def _silhouettes(model: ClusterModel) -> dict[str, Any] | None:
    if len(model.silhouettes) < 2:
        return None
    numbers = sorted(model.silhouettes, key=int)
    return {
        "id": "silhouettes",
        "label": _("How well clusters lie apart (silhouette), by how many there are"),
        "kind": "bar",
        "unit": "percent",
        "categories": numbers,
        "series": [
            {"name": _("Apart"), "values": [round(model.silhouettes[one], 3) for one in numbers], "tone": "soft"}
        ],
        "height": 200,
    }


def rule_of(cluster: Cluster) -> tuple[str, Node]:
    """The name and the rule of the segment that it would be."""
    return _("Cluster %(name)s") % {"name": cluster.name}, And((Condition("cluster", "=", cluster.name),))


def proposed(asked: str) -> tuple[str, Node] | None:
    """What one click makes into a segment; None where the cluster is gone."""
    cluster = Cluster.objects.filter(model__is_current=True, name=asked[:100].replace("\x00", "")).first()
    return rule_of(cluster) if cluster else None
