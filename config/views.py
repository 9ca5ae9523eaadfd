"""The front door: everybody comes to where their work is."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


class Login(LoginView):
    """The log-in of everybody. A till then stays logged in for a week, whoever can open the back office for a day."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        if not form.get_user().is_staff:
            self.request.session.set_expiry(settings.TILL_SESSION_SECONDS)
        return response


@login_required
def start(request: HttpRequest) -> HttpResponse:
    """The back office for those who may enter it, else the till."""
    if request.user.is_staff:
        return redirect("admin:index")
    if request.user.has_perm("crm.ring_up_sale"):
        return redirect("till")
    raise PermissionDenied
