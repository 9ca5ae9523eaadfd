"""The records in the back office, one module a subject."""

from crm.admin import staff

__all__ = ["staff"]
