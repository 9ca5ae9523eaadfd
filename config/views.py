"""The front door: everybody comes to where their work is."""

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import defaults

from crm.api.errors import respond


class Login(LoginView):
    """The log-in of everybody. A till then stays logged in for a week, whoever can open the back office for a day."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        if not form.get_user().is_staff:
            self.request.session.set_expiry(settings.TILL_SESSION_SECONDS)
        return response


def back_office_login(request: HttpRequest) -> HttpResponse:
    """The back office has no log-in of its own: everybody's, and then on to where they were going.

    Whoever is logged in but may not enter is told so, rather than asked for a password that would not help.
    """
    if not request.user.is_authenticated:
        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))
    if not request.user.is_staff:
        raise PermissionDenied
    return redirect("admin:index")


def icon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for an icon on pages that name none: the API's answers, other people's error pages."""
    return redirect(static("brand/mark.svg"))


def server_error(request: HttpRequest) -> HttpResponse:
    """Something of ours broke: programs are told so in their own way, people on a page."""
    if request.path.startswith("/api/"):
        return respond(500, _("Something broke here. It is in our log; try again later."))
    return defaults.server_error(request)


@login_required
def start(request: HttpRequest) -> HttpResponse:
    """The back office for those who may enter it, else the till."""
    if request.user.is_staff:
        return redirect("admin:index")
    if request.user.has_perm("crm.ring_up_sale"):
        return redirect("till")
    raise PermissionDenied
