"""By what two records may be one: keys that both bear. Whoever shares none is never compared.

A key is a hash of its kind and value. Names are spelt by their sound, in Latin letters, so that a slip or another
script leaves most keys as they are; each record bears about a dozen, so that one or two wrong ones do no harm.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache

from crm.duplicates.records import Record

_GROUPS = (
    ("shch", "s"),
    ("tsch", "s"),
    ("sch", "s"),
    ("tch", "s"),
    ("sh", "s"),
    ("ch", "s"),
    ("zh", "s"),
    ("cz", "s"),
    ("sz", "s"),
    ("ts", "s"),
    ("tz", "s"),
    ("ph", "f"),
    ("th", "t"),
    ("kh", "k"),
    ("gh", "k"),
    ("ck", "k"),
    ("qu", "k"),
    ("ks", "k"),
    ("x", "k"),
)
_LETTERS = str.maketrans("bdgvwzcqjy", "ptkffsskii")
_AFTER_THE_FIRST = re.compile(r"(?<=.)[aeiouh]")
_TWICE = re.compile(r"(.)\1+")
_VOWELS = "aeiou"
_DIGITS = re.compile(r"\d+")
FEW_LETTERS = 4
WEAK = ("name", "letters", "sounds", "city name", "born initials", "house word")


@lru_cache(65_536)
def sound(word: str) -> str:
    """How a folded word sounds, roughly: Schmidt and Shmit, Yuri and Juris' beginnings, Ivanov and Iwanow are one."""
    for letters, letter in _GROUPS:
        word = word.replace(letters, letter)
    word = word.translate(_LETTERS)
    word = ("a" + word[1:]) if word[:1] in _VOWELS and word else word
    return _TWICE.sub(r"\1", _AFTER_THE_FIRST.sub("", word))


def keys_of(record: Record) -> list[int]:
    """The record's keys, in no order."""
    return list({_hashed(kind, value) for kind, value in _keys(record)})


def _hashed(kind: str, value: str) -> int:
    """The last bit tells whether the key is a weak one, that many strangers share."""
    digest = hashlib.blake2b(f"{kind}:{value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) & ~1 | (kind in WEAK)


def _keys(one: Record) -> Iterator[tuple[str, str]]:
    """Kinds with their values. Where all the world bears one value (a shop's own phone), another kind parts them."""
    words = sorted({*one.first, *one.last})
    sounds = sorted({sound(word) for word in words if len(word) > 1})
    born = one.birth_date.isoformat() if one.birth_date else ""
    for kind, address in (("email", one.email), ("phone", one.phone)):
        if address:
            yield kind, address
            yield from ((f"{kind} word", f"{address} {each}") for each in sounds)
    if words:
        yield "name", " ".join(words)
        yield "letters", " ".join(word[:FEW_LETTERS] for word in words)
    for each in sounds:
        if born:
            yield "born word", f"{born} {each}"
        if one.postcode:
            yield "postcode word", f"{one.postcode} {each}"
        if numbers := _DIGITS.findall(one.address):
            yield "house word", f"{numbers[0]} {each}"
    if len(sounds) > 1 and one.city:
        yield "city name", f"{sound(one.city)} {' '.join(sounds)}"
    if len(sounds) > 1:
        yield "sounds", " ".join(sounds)
    if born:
        initials = "".join(sorted(word[0] for word in words))
        yield "born initials", f"{born} {initials}"
        if one.postcode:
            yield "born there", f"{born} {one.postcode}"
    if one.household is not None:
        yield "household", str(one.household)
    if one.address and one.postcode:
        yield "address", f"{one.postcode} {one.address}"
