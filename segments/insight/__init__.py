"""Insight: is this attribute worth segmenting on?

Attributes are read as they stood at the end of a day, outcomes (spend, purchases, responses to messages) in the weeks
after it; else spend would explain spend. Cut points are found on one half of the customers and judged on the other.
What comes out says that groups differ, never why.
"""
