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


@functools.lru_cache(maxsize=65_536)
def fold(value: str) -> str:
    """What search compares: lower case, without accents, in Latin letters (Müller -> muller, Иванов -> ivanov)."""
    return _SPACES.sub(" ", anyascii(unicodedata.normalize("NFC", value)).casefold()).strip()


@functools.cache
def _collator() -> Collator:
    return Collator()


@functools.lru_cache(maxsize=65_536)
def collation_key(value: str) -> bytes:
    """Sort key by the Unicode Collation Algorithm (DUCET), comparable byte by byte, at most 500 bytes long."""
    weights = _collator().sort_key(value)
    return struct.pack(f">{len(weights)}H", *weights)[:500]
