"""The records in the back office, one module a subject."""

from crm.admin import (
    asking,
    catalogue,
    customers,
    duplicates,
    facts,
    fields,
    jobs,
    looks,
    loyalty,
    mails,
    points,
    requests,
    staff,
    uploads,
)

__all__ = [
    "asking",
    "catalogue",
    "customers",
    "duplicates",
    "facts",
    "fields",
    "jobs",
    "looks",
    "loyalty",
    "mails",
    "points",
    "requests",
    "staff",
    "uploads",
]
