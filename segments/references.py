"""What the names in a rule mean: categories, products, stores, questions of surveys."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db.models import Q
from django.utils.translation import gettext as _

from crm.attributes import Filter
from crm.models import Category, Product, Question, Store
from segments.tree import And, Node, Not, Or, Path, Problem, RuleError, conditions

NAMED = (Filter.CATEGORY, Filter.PRODUCT, Filter.STORE, Filter.QUESTION)


Meant = list[tuple[int, str]]
"""What a word may mean: (id, full name); exactly one where it is clear."""


@dataclass(frozen=True)
class Names:
    """What the names in some rules mean, read once for all of them."""

    found: Mapping[tuple[Filter, str], Meant] = field(default_factory=dict)
    subtrees: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def references(self, node: Node) -> dict[tuple[Filter, str], int]:
        """The id for each (filter, word) of the rule. Raises RuleError for a name that is gone or ambiguous."""
        asked = [(path, kind, word) for path, kind, word in _asked(node)]
        problems = [
            problem for path, kind, word in asked for problem in _problem(kind, word, self.found[kind, word], path)
        ]
        if problems:
            raise RuleError(*problems)
        return {(kind, word): self.found[kind, word][0][0] for _path, kind, word in asked}


def read_names(nodes: Iterable[Node]) -> Names:
    """Look every name up: at most one query a kind, and one for what lies below the categories.

    A category goes by its path or a name that only it has, a product by SKU or name, a store by code or name, a
    question by its key or its words.
    """
    words: dict[Filter, set[str]] = defaultdict(set)
    for node in nodes:
        for _path, kind, word in _asked(node):
            words[kind].add(word)
    found = {(kind, word): meant for kind, asked in words.items() for word, meant in _candidates(kind, asked).items()}
    return Names(found, _subtrees(meant for (kind, _word), meant in found.items() if kind == Filter.CATEGORY))


def remembered(references: Mapping[tuple[Filter, str], int]) -> dict[str, int]:
    """What the names of a rule mean, as plain data to keep beside it."""
    return {f"{kind}:{word}": meant for (kind, word), meant in references.items()}


def follow_renames(node: Node, *, names: Names, known: Mapping[str, int]) -> Node:
    """The rule with the present names of what was renamed; ``known`` is what its names meant before."""
    present = {
        Filter.CATEGORY: Category.objects.values_list("pk", "path"),
        Filter.PRODUCT: Product.objects.values_list("pk", "sku"),
        Filter.STORE: Store.objects.values_list("pk", "code"),
        Filter.QUESTION: Question.objects.values_list("pk", "slug"),
    }
    lost = {
        (kind, word): known[f"{kind}:{word}"]
        for _path, kind, word in _asked(node)
        if not names.found[kind, word] and f"{kind}:{word}" in known
    }
    by_id = {kind: dict(present[kind].order_by().filter(pk__in=lost.values())) for kind in {kind for kind, _ in lost}}
    renamed = {key: by_id[key[0]][pk] for key, pk in lost.items() if pk in by_id[key[0]]}
    return _renamed(node, renamed)


def _renamed(node: Node, renamed: Mapping[tuple[Filter, str], str]) -> Node:
    match node:
        case And(nodes=nodes):
            return And(tuple(_renamed(child, renamed) for child in nodes))
        case Or(nodes=nodes):
            return Or(tuple(_renamed(child, renamed) for child in nodes))
        case Not(node=inner):
            return Not(_renamed(inner, renamed))
    filters = {kind: renamed.get((kind, str(value)), value) for kind, value in node.filters.items()}
    return replace(node, filters=filters)


def _asked(node: Node) -> Iterator[tuple[Path, Filter, str]]:
    for path, condition in conditions(node):
        for kind in NAMED:
            if kind in condition.filters:
                yield path, kind, str(condition.filters[kind])


def _candidates(kind: Filter, words: set[str]) -> dict[str, Meant]:
    """Word -> (id, full name) of what it may mean; an exact key (path, SKU, code) beats a name."""
    match kind:
        case Filter.CATEGORY:
            rows = Category.objects.order_by("path").filter(Q(path__in=words) | Q(name__in=words))
            found = [(row.pk, row.path, row.name) for row in rows]
        case Filter.PRODUCT:
            products = Product.objects.order_by("sku").filter(Q(sku__in=words) | Q(name__in=words))
            found = [(row.pk, row.sku, row.name) for row in products]
        case Filter.QUESTION:
            questions = Question.objects.order_by("slug").filter(Q(slug__in=words) | Q(text__in=words))
            found = [(row.pk, row.slug, row.text) for row in questions]
        case _:
            stores = Store.objects.order_by("code").filter(Q(code__in=words) | Q(name__in=words))
            found = [(row.pk, row.code, row.name) for row in stores]
    by_key = {key: [(pk, key)] for pk, key, _name in found}
    by_name: dict[str, Meant] = defaultdict(list)
    for pk, key, name in found:
        by_name[name].append((pk, key))
    return {word: by_key.get(word) or by_name.get(word, []) for word in words}


def _problem(kind: Filter, word: str, meant: Meant, path: Path) -> Iterator[Problem]:
    kinds = {
        Filter.CATEGORY: _("category"),
        Filter.PRODUCT: _("product"),
        Filter.STORE: _("store"),
        Filter.QUESTION: _("question"),
    }
    if not meant:
        message = _("There is no %(kind)s “%(word)s”.") % {"kind": kinds[kind], "word": word[:60]}
        if near := _near(kind, word):
            message += " " + _("Did you mean “%(word)s”?") % {"word": near}
        yield Problem(message, path, word[:60])
    elif len(meant) > 1:
        names = ", ".join(f"“{key}”" for _pk, key in meant[:5])
        message = _("“%(word)s” could be more than one %(kind)s. Choose one of: %(names)s.")
        yield Problem(message % {"word": word[:60], "kind": kinds[kind], "names": names}, path, word[:60])


def _near(kind: Filter, word: str) -> str:
    """A question that may have been meant; there are never many."""
    if kind != Filter.QUESTION:
        return ""
    known = list(Question.objects.values_list("slug", flat=True)[:2_000])
    return next(iter(difflib.get_close_matches(word[:100].casefold(), known, n=1, cutoff=0.6)), "")


def _subtrees(found: Iterable[Meant]) -> dict[int, list[int]]:
    roots = dict(meant[0] for meant in found if len(meant) == 1)
    if not roots:
        return {}
    below = Q()
    for path in roots.values():
        below |= Q(path=path) | Q(path__startswith=path + Category.SEPARATOR)
    rows = list(Category.objects.order_by().filter(below).values_list("pk", "path"))
    return {
        root: [pk for pk, path in rows if path == top or path.startswith(top + Category.SEPARATOR)]
        for root, top in roots.items()
    }
