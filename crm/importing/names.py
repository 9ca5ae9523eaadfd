"""A full name as first and last name."""

import re
from functools import lru_cache

_PARTICLES = frozenset(
    {"von", "vom", "zu", "zur", "van", "den", "der", "de", "del", "della", "dello", "dei", "degli", "di", "da", "dal"}
    | {"dalla", "do", "dos", "das", "du", "des", "la", "le", "lo", "af", "av", "ter", "ten", "bin", "ibn", "al", "el"}
)
_TITLES = re.compile(
    r"(?:(?:mr|mrs|ms|miss|dr|prof|herr|frau|sig|sig\.ra|sig\.na|hr|fr|г-н|г-жа)\.?\s+)+", re.IGNORECASE
)
_PATRONYMIC = re.compile(r".+(?:вич|вна|чна|ична|оглы|кызы|vich|vna)$", re.IGNORECASE)


@lru_cache(50_000)
def split_name(name: str) -> tuple[str, str]:
    """First and last name: of “Last, First” by the comma, else the last word with its particles is the last name.

    A Slavic patronymic tells that the last name comes first. One word alone is a first name.
    """
    before, comma, after = name.partition(",")
    if comma and before.strip() and after.strip():
        return " ".join(after.split()), " ".join(before.split())
    words = _TITLES.sub("", " ".join(name.replace(",", " ").split()) + " ", count=1).split()
    if len(words) < 2:
        return (words[0] if words else ""), ""
    if len(words) == 3 and _PATRONYMIC.fullmatch(words[2]):
        return " ".join(words[1:]), words[0]
    last = len(words) - 1
    while last > 1 and words[last - 1].lower() in _PARTICLES:
        last -= 1
    return " ".join(words[:last]), " ".join(words[last:])
