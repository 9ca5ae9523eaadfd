"""Files in: ``import_file`` takes one of customers, households, products or receipts.

``reading`` yields rows, ``columns`` and ``cells`` say what they may hold, ``staging`` copies them to the database, and
one importer a kind merges them there with a few statements however many they are; ``run`` puts these together.
"""

from crm.importing.reading import FileRefused
from crm.importing.run import KINDS, ImportResult, import_file

__all__ = ["KINDS", "FileRefused", "ImportResult", "import_file"]
