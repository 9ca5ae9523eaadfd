"""What the names in a rule mean: categories, products, stores, questions, and whatever else has a name, as segments."""

import difflib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.attributes import Filter, Named, NameLookup, Type, lookup
from crm.models import Category, Product, Question, Store
from segments.tree import And, Condition, Node, Not, Or, Path, Problem, RuleError, conditions

Meant = list[Named]
"""What a word may mean: exactly one where it is clear."""
Key = tuple[str, str]
"""What kind of thing is named (a filter, or an attribute of type MEMBER), and the word."""


def by_key(model: type[Model], key: str, noun: Any, *, name: str = "name", all_keys: bool = False) -> NameLookup:
    """Things of this model that go by their ``key`` (path, SKU, code) or by a name.

    ``all_keys``: there are so few that all of them can be looked through for one that was meant.
    """

    def find(words: Collection[str]) -> Iterable[Named]:
        rows = bearing(model._default_manager.order_by(key).only("pk", key, name), words, key, name)
        return [Named(id=one.pk, key=getattr(one, key), name=getattr(one, name)) for one in rows]

    def keys(ids: Collection[int]) -> Mapping[int, str]:
        return dict(model._default_manager.order_by().filter(pk__in=ids).values_list("pk", key))

    def known(limit: int) -> Iterable[str]:
        return model._default_manager.order_by(key).values_list(key, flat=True)[:limit]

    return NameLookup(noun=noun, find=find, keys=keys, known=known if all_keys else None)


_Row = TypeVar("_Row", bound=Model)


def bearing(rows: "QuerySet[_Row]", words: Collection[str], *fields: str) -> list[_Row]:
    """Those that bear one of these words in one of the fields; whatever its case, where none bears it just so.

    At most two queries, however many words.
    """
    found = list(rows.filter(Q(*((f"{field}__in", words) for field in fields), _connector=Q.OR)))
    borne = {getattr(one, field) for one in found for field in fields}
    left = [(f"{field}__iexact", word) for word in words if word not in borne for field in fields]
    if left:
        found += rows.filter(Q(*left, _connector=Q.OR)).exclude(pk__in=[one.pk for one in found])
    return found


NAMED: dict[Filter, NameLookup] = {
    Filter.CATEGORY: by_key(Category, "path", gettext_lazy("category"), all_keys=True),
    Filter.PRODUCT: by_key(Product, "sku", gettext_lazy("product")),
    Filter.STORE: by_key(Store, "code", gettext_lazy("store"), all_keys=True),
    Filter.QUESTION: by_key(Question, "slug", gettext_lazy("question"), name="text", all_keys=True),
}
"""The filters whose value is a name."""


@dataclass(frozen=True)
class Names:
    """What the names in some rules mean, read once for all of them."""

    found: Mapping[Key, Meant] = field(default_factory=dict)
    subtrees: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def references(self, node: Node) -> dict[Key, int]:
        """The id for each (kind, word) of the rule. Raises RuleError for a name that is gone, refused or ambiguous."""
        asked = list(_asked(node))
        problems = [
            problem
            for path, kind, word, known_by in asked
            for problem in _problem(known_by, word, self.found[kind, word], path)
        ]
        if problems:
            raise RuleError(*problems)
        return {(kind, word): self.found[kind, word][0].id for _path, kind, word, _known_by in asked}


def read_names(nodes: Iterable[Node]) -> Names:
    """Look every name up: at most one query a kind, and one for what lies below the categories.

    A category goes by its path or a name that only it has, a product by SKU or name, a store by code or name, a
    question by its key or its words.
    """
    words: dict[str, set[str]] = defaultdict(set)
    lookups: dict[str, NameLookup] = {}
    for node in nodes:
        for _path, kind, word, known_by in _asked(node):
            words[kind].add(word)
            lookups[kind] = known_by
    found = {
        (kind, word): meant
        for kind, asked in words.items()
        for word, meant in _candidates(lookups[kind], asked).items()
    }
    return Names(found, _subtrees(meant for (kind, _word), meant in found.items() if kind == Filter.CATEGORY))


def remembered(references: Mapping[Key, int]) -> dict[str, int]:
    """What the names of a rule mean, as plain data to keep beside it."""
    return {f"{kind}:{word}": meant for (kind, word), meant in references.items()}


def follow_renames(rules: Iterable[tuple[Node, Mapping[str, int]]], *, names: Names) -> list[Node]:
    """The rules with the present names of what was renamed; each comes with what its words meant when it was written.

    What a word meant counts before what bears that word now, as long as it exists. A query a kind at most.
    """
    told = list(rules)
    moved: dict[str, set[int]] = defaultdict(set)
    lookups: dict[str, NameLookup] = {}
    for node, known in told:
        for _path, kind, word, known_by in _asked(node):
            meant = known.get(f"{kind}:{word}")
            if meant is not None and [one.id for one in names.found[kind, word]] != [meant]:
                moved[kind].add(meant)
                lookups[kind] = known_by
    present = {kind: lookups[kind].keys(ids) for kind, ids in moved.items()}

    def follow(node: Node, known: Mapping[str, int]) -> Node:
        def renamed(kind: str, word: str) -> str:
            return present.get(kind, {}).get(known.get(f"{kind}:{word}", 0), word)

        return rewritten(node, renamed)

    return [follow(node, known) for node, known in told]


def rewritten(node: Node, renamed: Callable[[str, str], str]) -> Node:
    """The rule with each name replaced by what ``renamed(kind, word)`` says."""
    match node:
        case And(nodes=nodes):
            return And(tuple(rewritten(child, renamed) for child in nodes))
        case Or(nodes=nodes):
            return Or(tuple(rewritten(child, renamed) for child in nodes))
        case Not(node=inner):
            return Not(rewritten(inner, renamed))
    filters = {
        kind: renamed(kind, value) if kind in NAMED and isinstance(value, str) else value
        for kind, value in node.filters.items()
    }
    value = renamed(node.attribute, str(node.value)) if _names_of(node) else node.value
    return replace(node, filters=filters, value=value)


def _names_of(condition: Condition) -> NameLookup | None:
    """How the value of the condition is looked up, where it is a name."""
    attribute = lookup(condition.attribute)
    return attribute.names if attribute is not None and attribute.type == Type.MEMBER else None


def _asked(node: Node) -> Iterator[tuple[Path, str, str, NameLookup]]:
    for path, condition in conditions(node):
        for kind, known_by in NAMED.items():
            if kind in condition.filters:
                yield path, str(kind), str(condition.filters[kind]), known_by
        member = _names_of(condition)
        if member is not None:
            yield path, condition.attribute, str(condition.value), member


def _candidates(known_by: NameLookup, words: set[str]) -> dict[str, Meant]:
    """Word -> what it may mean. A key beats a name, and what is written just so beats another case."""
    ways: list[dict[str, Meant]] = [defaultdict(list) for _way in range(4)]
    for one in known_by.find(words):
        for way, written in zip(ways, (one.key, one.name, one.key.upper(), one.name.upper()), strict=True):
            way[written].append(one)
    return {
        word: next(
            (
                way[as_in]
                for way, as_in in zip(ways, (word, word, word.upper(), word.upper()), strict=True)
                if as_in in way
            ),
            [],
        )
        for word in words
    }


def _problem(known_by: NameLookup, word: str, meant: Meant, path: Path) -> Iterator[Problem]:
    said = {"kind": known_by.noun, "word": word[:60]}
    if not meant:
        message = _("There is no %(kind)s “%(word)s”.") % said
        if near := _near(known_by, word):
            message += " " + _("Did you mean “%(word)s”?") % {"word": near}
        yield Problem(message, path, word[:60])
    elif len(meant) > 1:
        names = ", ".join(f"“{one.key}”" for one in meant[:5])
        message = _("“%(word)s” could be more than one %(kind)s. Choose one of: %(names)s.")
        yield Problem(message % {**said, "names": names}, path, word[:60])
    elif meant[0].refused:
        yield Problem(meant[0].refused, path, word[:60])


def _near(known_by: NameLookup, word: str) -> str:
    """What may have been meant, where there are never many."""
    known = list(known_by.known(2_000)) if known_by.known is not None else []
    folded = {key.rpartition(Category.SEPARATOR)[2].casefold(): key for key in known}
    folded |= {key.casefold(): key for key in known}
    near = difflib.get_close_matches(word[:100].casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else ""


def _subtrees(found: Iterable[Meant]) -> dict[int, list[int]]:
    roots = {meant[0].id: meant[0].key for meant in found if len(meant) == 1}
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
