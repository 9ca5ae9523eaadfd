"""A persona's portrait, or what we draw where there is none."""

from typing import Any

from django import template

from personas.models import Persona
from personas.portraits import drawing

register = template.Library()


@register.inclusion_tag("personas/portrait.html")
def portrait(persona: Persona, size: str = "medium") -> dict[str, Any]:
    """``{% portrait persona "large" %}``: small, medium or large."""
    return {"persona": persona, "drawing": drawing(persona.name), "size": size}


@register.filter
def lines(text: str) -> list[str]:
    """The text's lines without bullets and empty ones."""
    return [line for raw in text.splitlines() if (line := raw.strip().lstrip("-•*").strip())]
