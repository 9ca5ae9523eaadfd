"""`make run` and manage.py on a work machine: embedded servers unless DATABASE_URL / REDIS_URL are set."""

from config import embedded, env
from config.settings.base import *  # noqa: F403 - settings modules extend one another this way
from config.settings.base import DATA_DIR

# The demo's shops are there; a shop of one's own says where it is.
TIME_ZONE = CELERY_TIMEZONE = env.time_zone("REGULARS_TIME_ZONE", "America/New_York")

DEBUG = env.flag("REGULARS_DEBUG", False)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
INTERNAL_IPS = ["127.0.0.1"]
SECRET_KEY = embedded.secret(DATA_DIR, "django-secret-key")
ADDRESS_HASH_KEY = embedded.secret(DATA_DIR, "address-hash-key")
SITE_URL = env.site_url("REGULARS_SITE_URL", "http://localhost:" + env.text("PORT", "8000"))

DATABASES = {"default": env.database(env.text("DATABASE_URL", embedded.database_url(DATA_DIR)))}
CELERY_BROKER_URL = env.text("REDIS_URL", embedded.broker_url(DATA_DIR))
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.text("REDIS_URL", embedded.cache_url(DATA_DIR)),
    }
}

# The mail catcher of `make run` listens here.
EMAIL_HOST = env.text("REGULARS_SMTP_HOST", "127.0.0.1")
EMAIL_PORT = env.number("REGULARS_SMTP_PORT", 1025)
DEFAULT_FROM_EMAIL = "shop@example.com"
MAIL_CATCHER = True

# Static files come straight from where they are installed: nothing to collect.
WHITENOISE_USE_FINDERS = True
