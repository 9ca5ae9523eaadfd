"""Finding customers by the words of their names: as keys that begin so (see CustomerName), and as mistyped words."""

import itertools
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from rapidfuzz.distance import OSA

from crm.models.names import LONGEST_KEY
from crm.text import typed_words

MIN_LETTERS_MISTYPED = 3
"""Of fewer letters than these, everything is almost the same."""

MOST_ORDERED = 3
"""Up to so many words are tried in every order as one beginning."""

MOST_SCANNED = 3_000
"""Keys that are read to find those that have the other words, too, where no beginning has them all."""

MOST_MEANT = 24
"""Words that a mistyped one may have meant, the nearest first."""

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_WRITTEN_OUT = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"))

# The end of a range: no key has a "~". A word alone ends before "!", the first character after the blank.
_RANGES = """
    SELECT range.nr, found.key, found.customer_id
      FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS range (first, after, nr),
           LATERAL (SELECT key, customer_id FROM crm_customername
                     WHERE key >= range.first AND key < range.after ORDER BY key, customer_id LIMIT %s) AS found
"""

_COUNT = """
    SELECT range.nr, (SELECT count(*) FROM (SELECT FROM crm_customername
                                             WHERE key >= range.first AND key < range.after LIMIT %s) AS picked)
      FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS range (first, after, nr)
"""


# Words that are one slip away, as a whole or as what is being typed; and words that sound the same.
_MEANT = """
    SELECT word, crm_name_sound(word) = crm_name_sound(%(word)s), true FROM crm_nameword WHERE word = ANY (%(slips)s)
    UNION ALL
    SELECT word, true, true FROM crm_nameword WHERE crm_name_sound(word) = crm_name_sound(%(word)s)
    UNION ALL
    SELECT slip, false, false FROM unnest(%(slips)s::text[]) AS slip
     WHERE length(slip) > 2 AND EXISTS (SELECT FROM crm_nameword WHERE word > slip AND word < slip || '~')
"""

# ... and words that share trigrams (above pg_trgm's own threshold): those with more than one slip.
_MEANT_FAR = f"""
    {_MEANT} UNION ALL
    (SELECT word, false, true FROM crm_nameword WHERE word %% %(word)s
      ORDER BY similarity(word, %(word)s) DESC LIMIT 60)
"""


class Ranking:
    """Customers in the order in which they are found, each once, up to a limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.ids: dict[int, None] = {}

    @property
    def wanted(self) -> int:
        """How many more."""
        return self.limit - len(self.ids)

    def add(self, customers: Iterable[int]) -> None:
        for pk in customers:
            if len(self.ids) >= self.limit:
                return
            self.ids.setdefault(pk)


def begun(found: Ranking, written: str, words: Sequence[str], *, together: bool = False) -> None:
    """Those in whose names each of the words begins a word: whole names first, then whole words, then the others.

    ``together`` asks only for names in which the words stand side by side.
    """
    spellings = _spellings(written, words)
    prefixes = [
        " ".join(order)[:LONGEST_KEY]
        for spelling in spellings
        for order in (itertools.permutations(spelling) if len(words) <= MOST_ORDERED else [spelling])
    ]
    found.add(_ranked(_rows(_RANGES, _until(prefixes, "~"), 3 * found.limit), spellings))
    if found.wanted and len(words) > 1 and not together:
        for spelling in spellings:
            found.add(_ranked(_having_all(spelling, 2 * found.limit), [spelling]))


def _spellings(written: str, words: Sequence[str]) -> list[list[str]]:
    """The words as they are, and as German writes them out or does not: Müller, Muller, Mueller."""
    spelled = [list(words)]
    if len(longer := typed_words(written.translate(_UMLAUTS))) >= len(words):
        spelled.append(longer[: len(words)])
    shorter = list(words)
    for long, short in _WRITTEN_OUT:
        shorter = [word.replace(long, short) for word in shorter]
    spelled.append(shorter)
    return [spelling for nr, spelling in enumerate(spelled) if spelling not in spelled[:nr]]


def _having_all(words: Sequence[str], limit: int) -> list[tuple[int, str, int]]:
    """Keys that begin with the rarest of the words and have the others further on."""
    rarest = min(_counted(_until(words, "~"), MOST_SCANNED), key=lambda row: row[1])[0] - 1
    others = [f"% {word}%" for nr, word in enumerate(words) if nr != rarest]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1, key, customer_id FROM crm_customername WHERE key >= %s AND key < %s AND key LIKE ALL (%s) "
            "ORDER BY key, customer_id LIMIT %s",
            [words[rarest], f"{words[rarest]}~", others, limit],
        )
        return list(cursor.fetchall())


def _ranked(rows: Iterable[tuple[int, str, int]], spellings: Sequence[Sequence[str]]) -> list[int]:
    wanted = [(sorted(spelling), set(spelling)) for spelling in spellings]

    def rank(row: tuple[int, str, int]) -> tuple[Any, ...]:
        has = row[1].split(" ")
        whole = sorted(has)
        return (
            not any(whole == words for words, _each in wanted),
            not any(each.issubset(has) for _words, each in wanted),
            *row,
        )

    return [row[2] for row in sorted(rows, key=rank)]


@dataclass(frozen=True)
class Meaning:
    """What a typed word may have meant. ``off`` is 0 for the word itself and 2 for each slip."""

    word: str
    off: int
    whole: bool

    @property
    def after(self) -> str:
        """Where the range of keys ends that go on with this word."""
        return "!" if self.whole else "~"


def mistyped(found: Ranking, words: Sequence[str]) -> None:
    """Those in whose names each word begins a word, or a word is written almost so; the nearest first.

    First within one slip, or written as it sounds; words that are further off only where those are too few (of two
    words together: none).
    """
    if sum(map(len, words)) < MIN_LETTERS_MISTYPED:
        return
    words = words[:MOST_ORDERED]
    found.add(_nearest(_split_otherwise(words), found.limit))
    for far in (False, True):
        meanings = [_meanings(word, far=far) for word in words]
        found.add(_nearest(_side_by_side(meanings), found.limit))
        if found.wanted and len(words) > 1:
            found.add(_anywhere(meanings, 2 * found.limit))
        if not found.wanted or (found.ids and len(words) > 1):
            return


def _split_otherwise(words: Sequence[str]) -> dict[tuple[str, str], int]:
    """Ranges of keys: words that were typed as one or parted, though the name is not, or is."""
    keys = ["".join(order) for order in itertools.permutations(words)] if len(words) == 2 else []
    if len(words) == 1:
        keys = [f"{words[0][:at]} {words[0][at:]}" for at in range(2, len(words[0]) - 1)]
    return {(key, f"{key}~"): 2 for key in keys}


def _side_by_side(meanings: Sequence[Sequence[Meaning]]) -> dict[tuple[str, str], int]:
    """Ranges of keys that begin with a meaning of each word, in any order; with how far off they are."""
    most = (MOST_MEANT + 1, MOST_MEANT + 1, 7)[len(meanings) - 1]
    ranges: dict[tuple[str, str], int] = {}
    for choice in itertools.product(*(each[:most] for each in meanings)):
        if off := sum(meaning.off for meaning in choice):
            for order in itertools.permutations(choice):
                key = " ".join(meaning.word for meaning in order)[:LONGEST_KEY]
                ranges.setdefault((key, key + order[-1].after), off)
    return ranges


def _nearest(ranges: dict[tuple[str, str], int], limit: int) -> list[int]:
    if not ranges:
        return []
    ordered = sorted(ranges, key=lambda range_: ranges[range_])
    rows = _rows(_RANGES, ([first for first, _after in ordered], [after for _first, after in ordered]), limit)
    rows.sort(key=lambda row: (ranges[ordered[row[0] - 1]], row[1], row[2]))
    return [row[2] for row in rows]


def _meanings(word: str, *, far: bool) -> list[Meaning]:
    """The word itself, and words of names that it may have been meant to be (or to begin), the nearest first."""
    itself = Meaning(word, 0, whole=False)
    if len(word) < MIN_LETTERS_MISTYPED:
        return [itself]
    with connection.cursor() as cursor:
        cursor.execute(_MEANT_FAR if far else _MEANT, {"word": word, "slips": sorted(slips(word))})
        rows = cursor.fetchall()
    most = min(1 + far * (len(word) - 3) // 3, 3)
    meant = {}
    for other, sounds, whole in rows:
        off = 2 * OSA.distance(word, other)
        if sounds:
            off = min(off, 3)
        elif off > 2 * most:
            continue
        if other != word:
            meant[other, whole] = Meaning(other, off if whole else off + 1, whole)
    return [itself, *sorted(meant.values(), key=lambda one: (one.off, one.word))[:MOST_MEANT]]


def slips(word: str, letters: str = string.ascii_lowercase) -> set[str]:
    """What the word may have been meant to be if one letter is wrong, missing, too much or swapped with the next."""
    halves = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    made = {head + tail[1:] for head, tail in halves if tail}
    made |= {head + tail[1] + tail[0] + tail[2:] for head, tail in halves if len(tail) > 1}
    made |= {head + letter + tail[1:] for head, tail in halves if tail for letter in letters}
    made |= {head + letter + tail for head, tail in halves for letter in letters}
    return made - {word}


def _anywhere(meanings: Sequence[Sequence[Meaning]], limit: int) -> list[int]:
    """Of the keys that begin with a meaning of the rarest word, those with a meaning of each other one further on."""
    flat = [(nr, meaning) for nr, each in enumerate(meanings) for meaning in each]
    ends = ([meaning.word for _nr, meaning in flat], [meaning.word + meaning.after for _nr, meaning in flat])
    keys = [0] * len(meanings)
    for row, count in _counted(ends, MOST_SCANNED // 4):
        keys[flat[row - 1][0]] += count
    rarest = keys.index(min(keys))
    patterns = [
        " (" + "|".join(one.word + ("( |$)" if one.whole else "") for one in each) + ")"
        for nr, each in enumerate(meanings)
        if nr != rarest
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT customer_id FROM ({_RANGES} LIMIT {MOST_SCANNED}) AS picked WHERE key ~ ALL (%s) LIMIT %s",
            [
                [one.word for one in meanings[rarest]],
                [one.word + one.after for one in meanings[rarest]],
                MOST_SCANNED,
                patterns,
                limit,
            ],
        )
        return [row[0] for row in cursor.fetchall()]


def _rows(query: str, ranges: tuple[list[str], list[str]], most: int) -> list[tuple[int, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(query, [*ranges, most])
        return list(cursor.fetchall())


def _counted(ranges: tuple[list[str], list[str]], most: int) -> list[tuple[int, int]]:
    """How many keys each range has, counted up to so many."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [most, *ranges])
        return list(cursor.fetchall())


def _until(firsts: Sequence[str], end: str) -> tuple[list[str], list[str]]:
    return list(firsts), [first + end for first in firsts]
