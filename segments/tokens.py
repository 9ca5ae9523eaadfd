"""The words of a rule's text: each with its kind and place, and every mistake that shows already here.

Which word is a comparison and which a name is told by what stands before it, so that no name is forbidden but ``and``,
``or``, ``not`` and ``in``. Long or deep input is refused while it is read, before it costs anything.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from django.utils.translation import gettext as _
from lark import Token

from segments.rules import MAX_CONDITIONS, MAX_DEPTH, too_deep, too_many
from segments.tree import Problem, RuleError

MAX_CHARACTERS = 1_000_000
MAX_TOKENS = 20_000
MAX_MISTAKES = 5
"""As many mistakes are shown at once; the rest mostly follows from them."""


@dataclass(frozen=True)
class Located(Problem):
    """A mistake in a text: counted in characters, line and column from 1, ``offset`` from 0."""

    line: int = 1
    column: int = 1
    length: int = 1
    offset: int = 0


class Places:
    """Where the characters of a text stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(found.end() for found in re.finditer(r"\n", text))]

    def problem(self, message: str, start: int, end: int, path: tuple[int, ...] = ()) -> Located:
        """The mistake from ``start`` to ``end``; of several lines only the first is marked."""
        line = bisect_right(self.starts, start)
        breaks = self.text.find("\n", start, end)
        stop = end if breaks < 0 else breaks
        return Located(
            message=message,
            path=path,
            word=self.text[start : min(end, start + 60)],
            line=line,
            column=start - self.starts[line - 1] + 1,
            length=max(1, stop - start),
            offset=start,
        )


_SKIP = re.compile(r"\s+")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“”", "‘": "’", "«": "»"}
_QUOTED = {
    opening: re.compile(rf"{opening}([^{closing}\\]*(?:\\.[^{closing}\\]*)*)[{closing}]", re.DOTALL)
    for opening, closing in _QUOTES.items()
}
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_BACKQUOTED = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r"[^\W\d]\w*(?:-\w+)*")
_TIME = re.compile(r"\d{1,2}:\d{2} ?[-–] ?\d{1,2}:\d{2}")
_SPAN = re.compile(r"(\d+)\s+([^\W\d]\w*)")
_ODD = re.compile(r"[+-]?\.?\d(?:[\w.:/]|-(?=\w))*")
_SIGN = re.compile(r"!=|<>|>=|<=|==|[=<>≥≤≠]")
_SIGNS = {"<>": "!=", "==": "=", "≥": ">=", "≤": "<=", "≠": "!="}
_PUNCTUATION = {",": "COMMA", ":": "COLON"}
_MEANT = {"&": "and", "|": "or", "!": "not"}
_GROUPING = re.compile(r"(all|any)\s+of(?=\s*\()", re.IGNORECASE)
_OPERATORS = tuple(
    (kind, re.compile(rf"{pattern}(?![\w-])", re.IGNORECASE))
    for kind, pattern in (
        ("STATE", r"is\s+(?:known|unknown)"),
        ("COMPARISON", r"is\s+not|is|starts\s+with|contains|has(?!\s+(?:any|all)(?![\w-]))"),
        ("NEXT", r"in\s+(?:the\s+)?next"),
        ("LISTING", r"not\s+in|in|has\s+any(?:\s+of)?|has\s+all(?:\s+of)?"),
        ("BETWEEN", r"between"),
    )
)
_STARTING = {"AND", "OR", "NOT", "OPEN", "ALL", "ANY"}


def tokens(text: str) -> list[Token]:
    """The words of the text. Raises RuleError with what cannot be read."""
    if len(text) > MAX_CHARACTERS:
        message = _("A rule can have %(limit)d characters at most.") % {"limit": MAX_CHARACTERS}
        raise RuleError(Located(message=message))
    return _Words(text).read()


class _Words:
    def __init__(self, text: str) -> None:
        self.text = text
        self.places = Places(text)
        self.at = 0
        self.found: list[Token] = []
        self.open: list[tuple[Token, int]] = []  # brackets not yet closed, each with the "not"s before it
        self.problems: list[Located] = []
        self.depth = 0  # brackets and "not"s that hold what comes next
        self.nots = 0
        self.conditions = 1
        self.awaits_to = False  # the next "and" belongs to a "between"

    def read(self) -> list[Token]:
        while (skipped := _SKIP.match(self.text, self.at)) or self.at < len(self.text):
            if skipped:
                self.at = skipped.end()
                continue
            self.word()
            self.guard()
        for bracket, _nots in self.open:
            self.wrong(_("This bracket is never closed."), bracket.start_pos or 0, bracket.end_pos or 0)
        if self.problems:
            raise RuleError(*self.problems)
        return self.found

    def wrong(self, message: str, start: int, end: int) -> None:
        self.problems.append(self.places.problem(message, start, end))
        if len(self.problems) >= MAX_MISTAKES:
            raise RuleError(*self.problems)

    def guard(self) -> None:
        """Refuse at once what is too long or too deep, however much is still to come."""
        too_much = (
            too_many()
            if self.conditions > MAX_CONDITIONS
            else too_deep()
            if self.depth > MAX_DEPTH + 2
            else _("The rule is too long.")
            if len(self.found) > MAX_TOKENS
            else ""
        )
        if too_much and self.found:
            raise RuleError(self.places.problem(too_much, self.found[-1].start_pos or 0, self.found[-1].end_pos or 0))

    def add(self, kind: str, value: str, end: int) -> None:
        self.found.append(Token(kind, value, start_pos=self.at, end_pos=end))
        self.at = end

    @property
    def last(self) -> str:
        return self.found[-1].type if self.found else ""

    @property
    def begins(self) -> bool:
        """Whether a condition begins here."""
        in_group = bool(self.open) and self.open[-1][0].type == "OPEN"
        return not self.found or self.last in _STARTING or (self.last == "COMMA" and in_group)

    def word(self) -> None:
        char = self.text[self.at]
        if char in _QUOTES:
            self.quoted(char)
        elif char in "()":
            self.bracket(char)
        elif char in _PUNCTUATION:
            self.conditions += char == "," and bool(self.open) and self.open[-1][0].type == "OPEN"
            self.add(_PUNCTUATION[char], char, self.at + 1)
        elif found := _BACKQUOTED.match(self.text, self.at):
            self.add("NAME", found[1], found.end())
        elif found := _SIGN.match(self.text, self.at):
            self.add("COMPARISON", _SIGNS.get(found[0], found[0]), found.end())
        elif found := _TIME.match(self.text, self.at):
            self.add("ODD", found[0].replace("–", "-"), found.end())
        elif self.last in ("COLON", "NEXT") and (found := _SPAN.match(self.text, self.at)):
            self.add("SPAN", f"{found[1]} {found[2].lower()}", found.end())
        elif found := _ODD.match(self.text, self.at):
            self.add("ODD", found[0], found.end())
        elif found := _WORD.match(self.text, self.at):
            self.plain(found)
        else:
            self.odd(char)

    def plain(self, found: re.Match[str]) -> None:
        """A word: a name, or one that joins or compares, by what stands before it."""
        folded = found[0].casefold()
        if not self.begins and self.last in ("NAME", "END"):
            for kind, pattern in _OPERATORS:
                if operator := pattern.match(self.text, self.at):
                    self.awaits_to = self.awaits_to or kind == "BETWEEN"
                    said = " ".join(operator[0].casefold().split()).removesuffix(" of").replace("the ", "")
                    return self.add(kind, said, operator.end())
        if folded in ("and", "or"):
            if folded == "and" and self.awaits_to:
                self.awaits_to = False
                return self.add("TO", folded, found.end())
            self.awaits_to = False
            self.conditions += 1
            self.depth, self.nots = self.depth - self.nots, 0
            return self.add(folded.upper(), folded, found.end())
        if self.begins and folded == "not":
            self.nots += 1
            self.depth += 1
            return self.add("NOT", folded, found.end())
        if self.begins and folded == "in":
            return self.add("MEMBER", folded, found.end())
        if self.begins and (grouping := _GROUPING.match(self.text, self.at)):
            return self.add(grouping[1].upper(), grouping[1], grouping.end())
        return self.add("NAME", found[0], found.end())

    def bracket(self, char: str) -> None:
        if char == "(":
            self.add("OPEN" if self.begins else "BEGIN", char, self.at + 1)
            self.open.append((self.found[-1], self.nots))
            self.depth, self.nots = self.depth + 1, 0
        elif not self.open:
            self.wrong(_("This bracket closes nothing."), self.at, self.at + 1)
            self.at += 1
        else:
            opening, nots = self.open.pop()
            self.depth, self.nots = self.depth - 1 - self.nots, nots
            self.awaits_to = False
            self.add("CLOSE" if opening.type == "OPEN" else "END", char, self.at + 1)

    def quoted(self, opening: str) -> None:
        found = _QUOTED[opening].match(self.text, self.at)
        if found is None:
            self.wrong(_("This quotation mark is never closed."), self.at, self.at + 1)
            self.at = len(self.text)
            return
        start = self.at

        def plain(escape: re.Match[str]) -> str:
            code, char = escape.groups()
            if code is not None and int(code, 16) <= 0x10FFFF:
                return chr(int(code, 16))
            if char in _ESCAPES or char in "\"'`“”„‘’«»":
                return _ESCAPES.get(char, char)
            message = _("“%(word)s” means nothing in a text; write \\\\ for a backslash.")
            at = start + 1 + escape.start()
            self.wrong(message % {"word": escape[0]}, at, at + len(escape[0]))
            return ""

        self.add("TEXT", _ESCAPE.sub(plain, found[1]), found.end())

    def odd(self, char: str) -> None:
        """A character that no rule has."""
        end = len(self.text) - len(self.text[self.at :].lstrip(char))
        like = unicodedata.normalize("NFKC", char)
        meant = _MEANT.get(char) or (like if like != char and like in '()<>=,:"' else "")
        if char.isprintable():
            message = _("“%(char)s” has no meaning here.") % {"char": char}
        else:
            message = _("There is an invisible character here (U+%(code)s).") % {"code": f"{ord(char):04X}"}
        if meant:
            message += " " + _("Did you mean “%(word)s”?") % {"word": meant}
        self.wrong(message, self.at, end)
        self.at = end
