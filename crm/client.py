"""Who is at the other end of a request."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The client's IP address, as the outermost of our own proxies saw it; ``REGULARS_PROXIES`` says how many they are.

    What stands further left in X-Forwarded-For was written by the client and is not believed.
    """
    direct = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.PROXIES:
        return direct
    hops = [hop.strip() for hop in str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",") if hop.strip()]
    return hops[-min(settings.PROXIES, len(hops))] if hops else direct
