"""Who may open a page of the till, and what others are told."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

RING_UP = "crm.ring_up_sale"
LOOK_UP = "crm.lookup_customer"


def staff_with(*permissions: str) -> Callable[[View[P]], View[P]]:
    """For logged-in people with these permissions.

    A page sends others to the log-in. What a page's script asks for answers 401, so that the cart stays where it is and
    the page says what to do.
    """

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.user.is_authenticated:
                if is_from_script(request):
                    return JsonResponse(
                        {"message": _("You were logged out. Nothing is lost: log in again.")}, status=401
                    )
                return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
            if not request.user.has_perms(permissions):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return checked

    return decorate


def is_from_script(request: HttpRequest) -> bool:
    """Whether a page's script asks (htmx, or ours), not the browser itself."""
    return "HX-Request" in request.headers or request.headers.get("Accept", "").startswith("application/json")


def member(request: HttpRequest) -> User:
    """The logged-in person, where :func:`staff_with` has checked that there is one."""
    return cast(User, request.user)
