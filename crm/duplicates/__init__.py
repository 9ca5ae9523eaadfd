"""Finding records that may be one person; merging them is :mod:`crm.merging`."""

from crm.duplicates.finding import Found, find_duplicates
from crm.duplicates.rules import RULES, merge_by_rules

__all__ = ["RULES", "Found", "find_duplicates", "merge_by_rules"]
