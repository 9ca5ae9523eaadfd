"""What is wrong with the grammar of a rule's text, in plain words."""

import difflib
import unicodedata
from collections.abc import Collection, Sequence

from django.utils.translation import gettext as _
from lark import Token

from crm.attributes import Type, lookup

_COMPARISONS = (
    "between",
    "in",
    "not in",
    "contains",
    "starts with",
    "has",
    "has any",
    "has all",
    "is known",
    "is unknown",
    "in next",
    "is",
    "and",
    "or",
)
_LOOK_ALIKES = str.maketrans("аеорсухіјѕԁһոսԛοανρτ", "aeopcyxijsdhnuqoavpt")
_OTHERS = {"und": "and", "et": "and", "y": "and", "oder": "or", "ou": "or", "like": "contains", "equals": "="}


def explain(*, accepted: Collection[str], found: Sequence[Token], at: int) -> tuple[str, Token]:
    """A message for the word at that place (past the last: the rule ends too early), and the word to mark."""
    before = found[at - 1] if at else found[0]
    here = found[at] if at < len(found) else None
    if "OPEN" in accepted:
        return _condition_missing(before, here, is_first=at == 0)
    if "COMPARISON" in accepted:
        return _comparison_missing(before, here)
    if "TO" in accepted:
        return _("“between” takes two values, such as between 25 and 40."), here or before
    if "SPAN" in accepted and "TEXT" not in accepted:
        return _("Say how long, such as “in next 7 days”."), here or before
    if "COLON" in accepted and here is not None and here.type in ("NAME", "ODD", "TEXT", "SPAN"):
        return _("A colon is missing: %(name)s: …") % {"name": before}, before
    if "TEXT" in accepted:
        return _value_missing(before, here)
    if "AND" in accepted:
        return _joint_missing(before, here)
    if "COMMA" in accepted and here is not None and here.type in ("NAME", "ODD", "TEXT", "SPAN"):
        return _("A comma is missing before “%(word)s”.") % {"word": _short(here)}, here
    if "NAME" in accepted:
        return _("Say of what, such as: in segment “Regulars”."), here or before
    if "BEGIN" in accepted or here is None:
        return _("Something is missing after “%(word)s”.") % {"word": _short(before)}, before
    return _("“%(word)s” cannot stand here.") % {"word": _short(here)}, here


def _condition_missing(before: Token, here: Token | None, *, is_first: bool) -> tuple[str, Token]:
    if here is None or here.type in ("CLOSE", "END", "AND", "OR", "COMMA"):
        if is_first and here is not None:
            return _("A condition is missing before “%(word)s”.") % {"word": _short(here)}, here
        return _("A condition is missing after “%(word)s”.") % {"word": _short(before)}, before
    message = _("A condition begins with what is asked, such as age or spend, not with “%(word)s”.")
    return message % {"word": _short(here)}, here


def _comparison_missing(before: Token, here: Token | None) -> tuple[str, Token]:
    if here is None:
        return _("Say how “%(name)s” compares, such as = or >=.") % {"name": _short(before)}, before
    near = _near(here) if here.type == "NAME" else ""
    if near:
        return _understood(here, near), here
    attribute = lookup(before) if before.type == "NAME" else None
    if here.type == "NAME" and attribute is not None and attribute.type == Type.FLAG:
        return _joint_missing(before, here)
    if here.type in ("ODD", "TEXT", "BEGIN", "NAME"):
        message = _("A comparison such as = or >= is missing before “%(word)s”.")
        return message % {"word": _short(here)}, here
    return _("“%(word)s” cannot stand here.") % {"word": _short(here)}, here


def _value_missing(before: Token, here: Token | None) -> tuple[str, Token]:
    if here is None or here.type in ("AND", "OR", "TO", "CLOSE", "END", "COMMA"):
        return _("A value is missing after “%(word)s”.") % {"word": _short(before)}, before
    message = _("“%(word)s” is no value; a value is a number, a date or a text in quotes.")
    return message % {"word": _short(here)}, here


def _joint_missing(before: Token, here: Token | None) -> tuple[str, Token]:
    if here is None:
        return _("The rule ends too early."), before
    near = _near(here) if here.type == "NAME" else ""
    if near:
        return _understood(here, near), here
    if here.type == "COMMA" and before.type == "ODD":
        return _("Write numbers without a separator, such as 1000."), here
    if here.type in ("NAME", "ODD") and before.type in ("NAME", "ODD", "SPAN"):
        message = _("“and” or “or” is missing before “%(word)s”; a text of several words stands in quotes.")
        return message % {"word": _short(here)}, here
    return _("“and” or “or” is missing before “%(word)s”.") % {"word": _short(here)}, here


def _near(token: Token) -> str:
    """The word of the language that somebody may have meant."""
    folded = unicodedata.normalize("NFKC", str(token)[:40]).casefold().translate(_LOOK_ALIKES)
    if folded in _OTHERS:
        return _OTHERS[folded]
    if folded in ("start", "starts", "begins"):
        return "starts with"
    if folded in ("known", "unknown"):
        return f"is {folded}"
    if lookup(folded) is not None:
        return ""
    found = difflib.get_close_matches(folded, _COMPARISONS, n=1, cutoff=0.65)
    return found[0] if found else ""


def _understood(token: Token, near: str) -> str:
    message = _("“%(word)s” is not understood.") % {"word": _short(token)}
    return f"{message} {_('Did you mean “%(word)s”?') % {'word': near}}"


def _short(token: Token) -> str:
    text = "".join(char if char.isprintable() else "�" for char in str(token)[:41])
    return text[:40] + "…" if len(text) > 40 else text
