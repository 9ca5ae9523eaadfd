"""What the API answers to an error."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler

from crm.customers import CustomerClash
from crm.sales import SaleClash


def explain(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler, which also knows the errors of our domain functions: 409 for a clash, else 400."""
    if isinstance(exc, ValidationError):
        clash = isinstance(exc, (SaleClash, CustomerClash))
        exc = serializers.ValidationError(serializers.as_serializer_error(exc))
        exc.status_code = 409 if clash else 400
    return exception_handler(exc, context)
