"""Lists out: any list of the back office, filtered as on screen, as CSV or XLSX.

``sheets`` writes files, :class:`Export` declares once what a list's columns are, ``lists`` declares the records' own,
and other apps declare their own.
"""

from crm.exporting.declared import EXPORTS, SCREENS, Column, Export, Screen, declare, offer
from crm.exporting.sheets import FORMATS, Format

__all__ = [
    "EXPORTS",
    "FORMATS",
    "SCREENS",
    "Column",
    "Export",
    "Format",
    "Screen",
    "declare",
    "offer",
]
