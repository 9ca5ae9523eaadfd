"""Finding records that may be one person, and deciding on them; merging them is :mod:`crm.merging`."""

from crm.duplicates.deciding import decide
from crm.duplicates.finding import Found, find_duplicates
from crm.duplicates.review import waiting
from crm.duplicates.rules import RULES, merge_by_rules

__all__ = ["RULES", "Found", "decide", "find_duplicates", "merge_by_rules", "waiting"]
