"""Which encoding a text file is in. A wrong guess spoils names for good, so a doubt is reported, not decided.

UTF-8 and UTF-16 prove themselves. Of the one-byte encodings each is tried with the languages that were written in it:
how likely are the letters beyond ASCII that come of these bytes? Libraries that guess need paragraphs; a customer list
has three names and a town (docs/decisions/0017).
"""

import codecs
import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

BLOCK = 1 << 20
_ENOUGH = 1 << 16
"""Bytes of lines beyond ASCII that are looked at."""

# Letters beyond ASCII in a thousand such letters, roughly, capitals folded.
_LETTERS: dict[str, str] = {
    "de": "ä280 ü340 ö180 ß130 é20",
    "fi": "ä720 ö230 å20 é5 š5 ž2",
    "sv": "å330 ä380 ö260 é25 ü3",
    "da": "ø330 å300 æ280 é40 ö15 ä10",
    "is": "í130 á160 ð190 þ70 ó120 é70 ö70 ú70 æ80 ý25 ä2",
    "it": "à280 è260 ò150 ù110 ì110 é80 á5",
    "fr": "é560 è100 à110 ê60 ç40 ô30 î20 û15 ù15 ë15 ï10 œ8 â20 æ1",
    "es": "ó260 í230 á220 é150 ñ90 ú70 ü10",
    "pt": "ã260 ç190 é130 á120 í90 ó80 õ60 ê60 â40 à40 ú40 ô20",
    "lv": "ā340 ī170 š120 ē150 ž40 ķ20 ļ40 ņ60 ū50 č20 ģ20",
    "lt": "ė200 ų150 š150 ž110 ą130 į90 ū90 č50 ę40",
    "et": "ä320 õ300 ü270 ö100 š15 ž10",
    "pl": "ą130 ł230 ę130 ó120 ż110 ś90 ć70 ń50 ź20",
    "cs": "á200 í240 é130 ř110 ě120 š80 č90 ž90 ý80 ů50 ú15 ň8 ď3 ť5 ó3",
    "hu": "á310 é300 ö110 ó100 ő80 í60 ü60 ű25 ú30",
    "ro": "ă250 ş130 ţ130 â140 î130 ș130 ț130",
    "hr": "č250 š260 ž220 ć200 đ100",
    "tr": "ı290 ş190 ğ110 ü200 ö90 ç110 â10 î5",
    "ru": "о110 е85 а80 и74 н67 т63 с55 р47 в45 л44 к35 м32 д30 п28 у26 я20 ы19 ь17 г17 з16 б16 ч14 й12 х10 ж9 ш7 ю6 ц5 щ4 э3 "
    "ф3 ъ1 ё2",
    "uk": "о94 а78 н65 и61 і57 в55 т55 е49 р47 с41 к40 л38 у34 д33 м31 п29 з23 я22 ь18 б17 г16 ч14 й12 х12 ж9 ї7 ц6 ю9 ш8 є5 "
    "щ6 ф3 ґ1",
    "el": "α100 ο80 ι75 ε70 τ72 σ65 ν60 ρ45 κ42 η48 π42 ς40 υ36 μ33 λ33 ί30 ό28 ά26 έ24 γ18 δ18 ή15 ω14 χ12 θ12 φ9 β8 ύ12 ώ10 "
    "ξ5 ζ4 ψ2",
}
_ENCODINGS: dict[str, str] = {
    "cp1252": "de fi sv da is it fr es pt et",
    "cp1251": "ru uk",
    "cp1257": "lv lt et fi sv de",
    "cp1250": "pl cs hu hr ro de",
    "cp1254": "tr de fr",
    "cp1253": "el",
    "iso8859-15": "fi fr et de it",
    "iso8859-2": "pl cs hu hr",
    "iso8859-13": "lv lt et fi",
    "iso8859-5": "ru",
    "koi8-r": "ru",
    "cp866": "ru",
    "mac-cyrillic": "ru",
    "cp850": "de fi it fr da is es",
    "cp437": "de fi it fr es",
    "cp775": "lv lt et",
    "mac-roman": "de fi it fr es sv",
}
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", *_ENCODINGS)
_SIGNS = "€£§°«»„“”’‘–—…№·•™®©²³½¼\u00a0\u00b4¡¿´`"
_SIGN, _FOREIGN, _ODD = math.log(0.004), math.log(0.0004), math.log(0.00001)
# DOS and Macintosh files are rare today.
_PRIOR = {
    "cp850": -4.0,
    "cp437": -3.5,
    "cp775": -3.0,
    "mac-roman": -4.0,
    "mac-cyrillic": -3.0,
    "cp866": -1.0,
    "iso8859-15": -1.5,
}
_PRIOR |= {"iso8859-2": -1.0, "iso8859-13": -1.0, "iso8859-5": -1.0, "cp1254": -0.5, "cp1250": -0.2, "cp1257": -0.2}
_USUAL = ("de", "ru", "it", "fi", "is", "lv")
_SURE = 2.0
_BEYOND = re.compile(rb"[\x80-\xff]")
_LINE = re.compile(rb"[^\r\n]*[\x80-\xff][^\r\n]*")


@dataclass(frozen=True)
class Encoding:
    """``name`` as Python knows it. ``candidates`` are the likely ones, best first, where they would give other text."""

    name: str
    has_mark: bool = False
    candidates: tuple[str, ...] = ()


def recognise_encoding(path: Path) -> Encoding:
    """Look at a whole file, block by block."""
    with path.open("rb") as file:
        if marked := _by_mark(file.read(4096)):
            return marked
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        beyond = bad = 0
        cut = False
        while block := file.read(BLOCK):
            if block.isascii() and not cut:
                continue
            text = decoder.decode(block)
            beyond += len(block) - len(text)
            bad += _count_bad(text)
            cut = bool(decoder.getstate()[0])
        bad += _count_bad(decoder.decode(b"", True))
        if not bad or beyond > bad:  # a stray byte in UTF-8 costs its row
            return Encoding("utf-8")
        return of_bytes(_telling_lines(file))


def _telling_lines(file: BinaryIO) -> bytes:
    """Lines with bytes beyond ASCII, from all over the file, as many as are enough."""
    file.seek(0)
    found: list[bytes] = []
    size = 0
    while size < _ENOUGH and (block := file.read(BLOCK)):
        if first := _BEYOND.search(block):
            near = block[max(0, first.start() - 200) : first.start() + _ENOUGH]
            lines = b"\n".join(line[:1000] for line in _LINE.findall(near))
            found.append(lines)
            size += len(lines)
    return b"\n".join(found)


def _count_bad(text: str) -> int:
    return text.count("\ufffd")


def _by_mark(start: bytes) -> Encoding | None:
    if start.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8", has_mark=True)
    if start.startswith(codecs.BOM_UTF16_LE):
        return Encoding("utf-16-le", has_mark=True)
    if start.startswith(codecs.BOM_UTF16_BE):
        return Encoding("utf-16-be", has_mark=True)
    pairs = len(start) // 2
    if pairs >= 4:
        # Delimiters, digits and line ends have a zero byte in UTF-16, whatever the language.
        first, second = start[0 : pairs * 2 : 2].count(0), start[1 : pairs * 2 : 2].count(0)
        if second > 0.2 * pairs and first < 0.02 * pairs:
            return Encoding("utf-16-le")
        if first > 0.2 * pairs and second < 0.02 * pairs:
            return Encoding("utf-16-be")
    return None


def of_bytes(sample: bytes) -> Encoding:
    """The one-byte encoding of these lines."""
    scored: list[tuple[float, str, str]] = []
    for name, languages in _ENCODINGS.items():
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            text = sample.decode(name, "replace")
            if text.count("\ufffd") > len(sample) // 200:
                continue
        best = max(_score(text, one) - (one not in _USUAL) for one in languages.split())
        scored.append((best + _PRIOR.get(name, 0.0), name, text))
    if not scored:
        return Encoding("cp1252", candidates=("cp1252", "cp1251", "cp1257", "cp1250"))
    scored.sort(key=lambda entry: -entry[0])
    top, name, text = scored[0]
    # The same text under another name is no doubt.
    rivals = [rival for score, rival, other in scored[1:] if other != text and top - score < _SURE]
    return Encoding(name, candidates=(name, *rivals[:4]) if rivals else ())


@cache
def _logs(language: str) -> dict[str, float]:
    weights = {part[0]: float(part[1:]) for part in _LETTERS[language].split()}
    total = sum(weights.values())
    return {letter: math.log(weight / total) for letter, weight in weights.items()}


def _score(text: str, language: str) -> float:
    """The logarithm of how likely the letters beyond ASCII are in this language."""
    logs = _logs(language)
    other_script = language in ("ru", "uk", "el")
    total = 0.0
    pairs = Counter(zip(" " + text, text, text[1:] + " ", strict=False))
    for (before, char, after), times in pairs.items():
        if char <= "\x7f":
            continue
        folded = char.lower()
        if folded in logs:
            cost = logs[folded] + _misplaced(before, char, after)
            if other_script and (_is_latin(before) or _is_latin(after)):
                cost += _FOREIGN / 2
        elif char in _SIGNS:
            cost = _sign(before, char, after)
        elif char.isalpha():
            cost = _FOREIGN if unicodedata.name(char, "").startswith(("LATIN", "CYRILLIC", "GREEK")) else _ODD
        else:
            cost = _ODD
        total += cost * min(times, 20)
    return total


def _misplaced(before: str, char: str, after: str) -> float:
    """How unlikely this letter is in its place: alone, beside a digit, a capital within a word."""
    cost = 0.0
    if not before.isalpha() and not after.isalpha():
        cost -= 3.0
    if before.isdigit() or after.isdigit():
        cost -= 3.0
    if char.isupper():
        cost -= 0.3 if before.isupper() else (3.0 if before.islower() else 1.0)
    elif after.isupper():
        cost -= 3.0
    return cost


def _sign(before: str, char: str, after: str) -> float:
    within = before.isalpha() and after.isalpha()
    cost = _SIGN - (0.0 if char in "€№\u00a0–’" else 1.0)
    if char == "’" and within:
        return cost + 2.0
    if char == "\u00a0" and before.isdigit():
        return cost + 3.0
    return cost - (4.0 if within else 0.0)


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalpha()
