"""The throttle of log-ins that django-axes lacks: by address alone, over all accounts."""

from datetime import timedelta
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.exceptions import AxesBackendPermissionDenied
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone

from crm import client


class LoginThrottle(AxesStandaloneBackend):
    """Refuses further tries from an account and address (axes) and from an address that tried many accounts."""

    def authenticate(
        self, request: HttpRequest, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> None:
        super().authenticate(request, username, password, **kwargs)
        since = timezone.now() - timedelta(seconds=settings.LOGIN_ATTEMPTS_SECONDS)
        recent = AccessAttempt.objects.filter(ip_address=client.address(request), attempt_time__gte=since)
        failures = recent.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
        if failures >= settings.LOGIN_ATTEMPTS_PER_ADDRESS:
            request.axes_locked_out = True  # type: ignore[attr-defined]  # how axes tells its middleware
            raise AxesBackendPermissionDenied("Too many failed log-ins from this address.")
