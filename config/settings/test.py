"""For pytest. tests/conftest.py starts real servers and says where they are before this is read.

The defaults lead nowhere: they serve tools that only look at the settings (mypy, makemigrations).
"""

import tempfile
from pathlib import Path

from config import env
from config.settings.base import *  # noqa: F403 - settings modules extend one another this way

DEBUG = False
SECRET_KEY = "only-for-tests-" + "x" * 48
ADDRESS_HASH_KEY = "only-for-tests-address-hash-key"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
SITE_URL = env.site_url("REGULARS_SITE_URL", "http://testserver")

DATA_DIR = Path(env.text("REGULARS_DATA", tempfile.gettempdir()))
MEDIA_ROOT = DATA_DIR / "media"

DATABASES = {"default": env.database(env.text("DATABASE_URL", "postgresql://127.0.0.1:1/none"))}
CELERY_BROKER_URL = env.text("REDIS_URL", "redis://127.0.0.1:1/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.text("REGULARS_CACHE_URL", CELERY_BROKER_URL),
    }
}

# The real thing takes a third of a second for each user made in a test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True

EMAIL_HOST = env.text("REGULARS_SMTP_HOST", "127.0.0.1")
EMAIL_PORT = env.number("REGULARS_SMTP_PORT", 1)  # nothing listens there: a test that sends asks for smtp_catcher
DEFAULT_FROM_EMAIL = "shop@example.com"
MAIL_CATCHER = True
