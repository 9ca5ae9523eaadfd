"""What the API answers to an error: problem details, as RFC 9457 has them (``application/problem+json``)."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler

from crm.activity import ReviewClash
from crm.customers import CustomerClash
from crm.returns import ReturnClash
from crm.sales import SaleClash
from crm.surveys import AnswerClash

CONTENT_TYPE = "application/problem+json"
MOST_SAID = 5
"""So many of the fields' errors stand in the sentence of ``detail``; all of them are in ``errors``."""

SCHEMA = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "example": "about:blank"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string", "example": "email: Enter a valid email address."},
        "errors": {
            "type": "object",
            "description": "What is wrong with each field; `non_field_errors` is what is wrong with them together.",
            "additionalProperties": {},
        },
    },
}


def explain(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler, which also knows the errors of our domain functions: 409 for a clash, else 400."""
    if isinstance(exc, ValidationError):
        clash = isinstance(exc, (SaleClash, ReturnClash, CustomerClash, ReviewClash, AnswerClash))
        exc = serializers.ValidationError(serializers.as_serializer_error(exc))
        exc.status_code = 409 if clash else 400
    response = exception_handler(exc, context)
    if response is not None:
        response.data = problem(response.status_code, response.data)
        response.content_type = CONTENT_TYPE
    return response


def problem(status: int, said: Any) -> dict[str, Any]:
    """The body of an error: ``said`` is DRF's, either ``{"detail": ...}`` or what is wrong with each field."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if isinstance(said, dict) and set(said) == {"detail"}:
        return {**body, "detail": str(said["detail"])}
    errors = said if isinstance(said, dict) else {"non_field_errors": said}
    return {**body, "detail": " ".join(_sentences(errors)[:MOST_SAID]), "errors": errors}


def _sentences(errors: Any, field: str = "") -> list[str]:
    """The leaves of a tree of errors, each with the field it belongs to."""
    if isinstance(errors, dict):
        return [
            sentence
            for name, value in errors.items()
            for sentence in _sentences(value, field if name == "non_field_errors" else f"{field}.{name}".strip("."))
        ]
    if isinstance(errors, list):
        return [
            sentence
            for position, value in enumerate(errors)
            for sentence in _sentences(value, f"{field}.{position}" if isinstance(value, dict | list) else field)
        ]
    return [f"{field}: {errors}" if field else str(errors)]


def respond(status: int, detail: str) -> JsonResponse:
    """A problem outside of DRF's reach."""
    return JsonResponse(problem(status, {"detail": detail}), status=status, content_type=CONTENT_TYPE)


def unknown_address(request: HttpRequest, **kwargs: Any) -> JsonResponse:
    """The view of every address below /api/ that there is not."""
    return respond(404, _("There is nothing at %(path)s.") % {"path": request.path})


def describe(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Tells the schema that every operation may answer with a problem (a hook of drf-spectacular)."""
    result["components"].setdefault("schemas", {})["Problem"] = SCHEMA
    answer = {
        "description": "What went wrong.",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            for status in [code for code in operation["responses"] if code >= "400"]:
                operation["responses"][status]["content"] = answer["content"]
            operation["responses"].setdefault("default", answer)
    return result
