"""Text in any script: folded for search, keyed for sorting."""

import functools
import re
import struct
import unicodedata

from anyascii import anyascii
from pyuca import Collator

_SPACES = re.compile(r"\s+")


def clean(value: str) -> str:
    """One line of composed Unicode (NFC) without control characters or doubled spaces."""
    value = unicodedata.normalize("NFC", value)
    value = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in value)
    return _SPACES.sub(" ", value).strip()


def fold(value: str) -> str:
    """What search compares: lower case, without accents, in Latin letters (Müller -> muller, Иванов -> ivanov)."""
    return " ".join(value.lower().split()) if value.isascii() else _folded(value)


@functools.lru_cache(maxsize=65_536)
def _folded(value: str) -> str:
    return _SPACES.sub(" ", anyascii(unicodedata.normalize("NFC", value)).casefold()).strip()


MOST_WORDS = 10
LONGEST_WORD = 50
_APOSTROPHE = re.compile("['\u2019\u2018\u02bc\u02b9\u0060\u00b4]")
_NO_LETTER = re.compile(r"[\W_]+")
_COUNTRY_SIGN = re.compile(r"^[a-z]{1,3}-(?=\d)")
_GLUED_SIGN = re.compile(r"^[a-z]{1,2}(?=\d{3})")
_NOT_LATIN = re.compile("[^a-z0-9]+")


@functools.lru_cache(maxsize=65_536)
def name_words(value: str) -> tuple[str, ...]:
    """The words by which a name is found, each once, in Latin letters and digits alone.

    A word with a hyphen or an apostrophe is found as one and by its parts: D'Angelo as dangelo and as angelo,
    Anna-Maria as annamaria, anna and maria.
    """
    if value.isascii() and value.isalpha():
        return (value.lower()[:LONGEST_WORD],)
    words: dict[str, None] = {}
    for chunk in unicodedata.normalize("NFC", value).split():
        parts = [plain for part in _NO_LETTER.split(chunk) if (plain := _latin(part))]
        words["".join(parts)[:LONGEST_WORD]] = None
        if len(parts) > 1:
            words.update((part[:LONGEST_WORD], None) for part in parts if len(part) > 1)
    words.pop("", None)
    return tuple(words)[:MOST_WORDS]


def typed_words(value: str) -> list[str]:
    """What somebody typed, as words to be compared with :func:`name_words`: a hyphen parts, an apostrophe does not."""
    parts = _NO_LETTER.split(_APOSTROPHE.sub("", unicodedata.normalize("NFC", value)))
    return [plain[:LONGEST_WORD] for part in parts if (plain := _latin(part))]


def postcode_keys(value: str) -> list[str]:
    """What a postcode is found by, first of all the form that is kept: LV-1010 as 1010, SW1A 1AA as sw1a1aa.

    The sign of a country in front of it is left out where a hyphen parts it; without one it may belong to the code.
    """
    return list(_postcode_keys(value))


@functools.lru_cache(maxsize=65_536)
def _postcode_keys(value: str) -> tuple[str, ...]:
    kept = _NOT_LATIN.sub("", _COUNTRY_SIGN.sub("", fold(value)))[:20]
    short = _GLUED_SIGN.sub("", kept)
    return (kept,) if short == kept else (kept, short)


def _latin(value: str) -> str:
    return _NOT_LATIN.sub("", anyascii(value).casefold())


@functools.cache
def _collator() -> Collator:
    return Collator()


@functools.cache
def _continuing() -> frozenset[int]:
    """Code points that are weighed together with those before them, in some script."""
    found: set[int] = set()
    nodes = list((_collator().table.root.children or {}).values())
    while nodes:
        following = nodes.pop().children or {}
        found.update(following)
        nodes.extend(following.values())
    return frozenset(found)


@functools.lru_cache(maxsize=65_536)
def _weights_alone(char: str) -> tuple[bytes, ...] | None:
    """The weights of a character that has the same ones in every word; None where its neighbours count."""
    first = unicodedata.normalize("NFD", char)[0]
    return None if unicodedata.combining(first) or ord(first) in _continuing() else _weights_together(char)


@functools.lru_cache(maxsize=65_536)
def _weights(word: str) -> tuple[bytes, ...]:
    """A word's weights, each of the three levels by itself: those of its characters, where that is the same."""
    found = [weights for weights in map(_weights_alone, word) if weights]
    if word and len(found) == len(word):
        return tuple(map(b"".join, zip(*found, strict=True)))
    return _weights_together(word)


def _weights_together(word: str) -> tuple[bytes, ...]:
    levels: list[list[int]] = [[]]
    for weight in _collator().sort_key(word):
        if weight:
            levels[-1].append(weight)
        else:
            levels.append([])
    return tuple(struct.pack(f">{len(level)}H", *level) for level in levels[:3])


def collation_key(value: str) -> bytes:
    """Sort key by the Unicode Collation Algorithm (DUCET), comparable byte by byte, at most 500 bytes long.

    Put together from those of its words: names are made of the same words over and over.
    """
    blank = _weights(" ")
    words = zip(*map(_weights, value.split(" ")), strict=True)
    return b"".join(between.join(level) + b"\0\0" for between, level in zip(blank, words, strict=True))[:500]
