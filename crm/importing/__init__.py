"""Files in: ``import_file`` takes one of :data:`KINDS`, ``recognise`` says how a file is written, ``guess_mapping``
which of its columns is which of ours.

``formats`` opens a file of any format as a reader of rows (``reading``, ``sheets``); ``findings`` look at columns; a
``mapping`` says what they are, and ``plan`` decides once a column how its cells become ours. ``columns`` and ``cells``
say what those may hold, ``staging`` copies them to the database, and one importer a kind merges them there with a few
statements however many they are; ``run`` puts these together.
"""

from crm.importing.formats import Recognised, open_file, recognise
from crm.importing.guessing import Guess, guess_mapping, mapping_of
from crm.importing.mapping import Mapping, from_json
from crm.importing.plan import Undecided
from crm.importing.reading import FileRefused
from crm.importing.run import KINDS, ImportResult, import_file, targets

__all__ = [
    "KINDS",
    "FileRefused",
    "Guess",
    "ImportResult",
    "Mapping",
    "Recognised",
    "Undecided",
    "from_json",
    "guess_mapping",
    "import_file",
    "mapping_of",
    "open_file",
    "recognise",
    "targets",
]
