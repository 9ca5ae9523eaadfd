"""The records in the back office, one module a subject."""

from crm.admin import catalogue, customers, facts, jobs, mails, staff

__all__ = ["catalogue", "customers", "facts", "jobs", "mails", "staff"]
