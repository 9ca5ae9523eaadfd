"""What `manage.py check` asks of the records: a rule for every field that holds personal data."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from crm import retention


@register
def every_personal_field_has_a_rule(**_options: Any) -> list[CheckMessage]:
    """crm.E001: the file of rules can't be read. crm.E002: a field or table lacks a rule, or a rule its field."""
    try:
        found = list(retention.problems())
    except retention.RulesUnreadable as error:
        return [Error(str(error), hint="settings.RETENTION_RULES names the file.", id="crm.E001")]
    hint = "The head of the file that settings.RETENTION_RULES names says how a rule is written."
    return [Error(problem, hint=hint, id="crm.E002") for problem in found]
