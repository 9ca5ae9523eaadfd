"""What holds for every request: health, size, and what a browser may do with the answer."""

from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

GetResponse = Callable[[HttpRequest], HttpResponseBase]

HEALTH_PATH = "/healthz"
ADMIN_PATH = "/admin/"


def health(get_response: GetResponse) -> GetResponse:
    """Answers /healthz: 200 where the database answers, else 503.

    Comes before everything else, so that a probe needs neither the shop's host name nor https.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info != HEALTH_PATH:
            return get_response(request)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            return HttpResponse("database unreachable\n", status=503, content_type="text/plain")
        return HttpResponse("ok\n", content_type="text/plain")

    return middleware


def request_size(get_response: GetResponse) -> GetResponse:
    """Refuses a body larger than the largest upload before a byte of it is read."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        announced = str(request.META.get("CONTENT_LENGTH") or "0")
        is_number = announced.isascii() and announced.isdecimal() and len(announced) < 20
        largest = max(settings.MAX_REQUEST_BYTES, settings.MAX_UPLOAD_BYTES)
        if not is_number or int(announced) > largest:
            return _too_large(largest if is_number else settings.MAX_REQUEST_BYTES)
        return get_response(request)

    return middleware


class ViewSize:
    """Refuses a body larger than ``MAX_REQUEST_BYTES`` before a byte of it is read, but for uploads.

    A view takes larger ones if it has a function ``takes_uploads`` that says yes to the request, so that only people
    who may import can make us read as much. Comes after authentication and before the check for forgery, which reads
    the form.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        if int(request.META.get("CONTENT_LENGTH") or 0) <= settings.MAX_REQUEST_BYTES:
            return None
        takes_uploads = getattr(view, "takes_uploads", None)
        return None if takes_uploads and takes_uploads(request) else _too_large(settings.MAX_REQUEST_BYTES)


def _too_large(limit: int) -> HttpResponse:
    message = _("That is too large: at most %(limit)d MB can be sent at once.") % {"limit": limit // (1024 * 1024)}
    return HttpResponse(message, status=413, content_type="text/plain; charset=utf-8")


def browser_headers(get_response: GetResponse) -> GetResponse:
    """No devices for our pages, and no copy of a logged-in person's pages in the browser's cache."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        if "Cache-Control" not in response and _logged_in(request):
            add_never_cache_headers(response)
        return response

    return middleware


def _logged_in(request: HttpRequest) -> bool:
    """Without touching the session of a page that did not, which would make it vary by cookie."""
    session = getattr(request, "session", None)
    return session is not None and session.accessed and request.user.is_authenticated


class ContentSecurityPolicy(CSPMiddleware):
    """The strict policy everywhere; under /admin/ the one that django-unfold and Alpine can live with.

    A view's own decorators (``csp.decorators``) change either of them.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if parts.config is None and not report_only and request.path_info.startswith(ADMIN_PATH):
            parts.config = settings.CONTENT_SECURITY_POLICY_ADMIN["DIRECTIVES"]
        return parts
