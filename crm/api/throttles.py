"""How often a client may ask. The counts are in the cache, which may be gone at any time: then nobody is refused."""

import logging
from typing import Any

from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle

from crm.models import ApiToken

logger = logging.getLogger(__name__)


class WithoutCacheMixin:
    """A sale must not be lost because the cache is down."""

    def allow_request(self, request: Request, view: Any) -> bool:
        try:
            return bool(super().allow_request(request, view))  # type: ignore[misc]
        except RedisError as error:
            logger.warning("The cache is down, so nobody is throttled: %s", error)
            return True


class Requests(WithoutCacheMixin, UserRateThrottle):
    """All requests of a token, of an account or, without either, of an address."""

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if isinstance(request.auth, ApiToken):
            return self.cache_format % {"scope": self.scope, "ident": f"token-{request.auth.pk}"}
        return super().get_cache_key(request, view)


class FailedTokens(WithoutCacheMixin, SimpleRateThrottle):
    """Wrong tokens by address; a right one costs nothing. It belongs to no view."""

    scope = "failed_token"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"failed-token-{self.get_ident(request)}"
