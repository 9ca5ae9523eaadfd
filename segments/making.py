"""From something that was found to a segment: the one that has the rule already, or the builder with the rule in it."""

import json
from urllib.parse import urlencode

from django.urls import reverse

from segments.rules import dump
from segments.tree import Node


def segment_link(*, name: str, rule: Node) -> str:
    """The builder's address with this name and rule filled in; nothing is made until it is saved."""
    written = json.dumps(dump(rule), ensure_ascii=False, separators=(",", ":"))
    return f"{reverse('admin:segments_segment_add')}?{urlencode({'name': name, 'rule': written})}"
