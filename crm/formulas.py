"""Text that a spreadsheet would run as a formula: made harmless on the way out, put back on the way in."""

import re

_RISKY = re.compile(r"'*[=+\-@\t\r]")
"""Text with our mark before it counts as well, so that nothing is lost on the way back."""


def neutralised(text: str) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it, which makes it text for good."""
    return f"'{text}" if _RISKY.match(text) else text


def original(text: str) -> str:
    """What :func:`neutralised` was given."""
    return text[1:] if text[:1] == "'" and _RISKY.match(text) else text
