"""A shop's own server. Every secret comes from the environment and none has a default."""

from config import env
from config.settings.base import *  # noqa: F403 - settings modules extend one another this way
from config.settings.base import REST_FRAMEWORK

env.require(
    "REGULARS_SECRET_KEY",
    "REGULARS_ADDRESS_HASH_KEY",
    "REGULARS_HOSTS",
    "REGULARS_SITE_URL",
    "DATABASE_URL",
    "REDIS_URL",
    "REGULARS_SMTP_HOST",
    "REGULARS_FROM_EMAIL",
)

DEBUG = False
SECRET_KEY = env.text("REGULARS_SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("REGULARS_OLD_SECRET_KEYS", [])
ADDRESS_HASH_KEY = env.text("REGULARS_ADDRESS_HASH_KEY")
ALLOWED_HOSTS = env.words("REGULARS_HOSTS")
SITE_URL = env.site_url("REGULARS_SITE_URL")
CSRF_TRUSTED_ORIGINS = [SITE_URL]

DATABASES = {"default": env.database(env.text("DATABASE_URL"))}
CELERY_BROKER_URL = env.text("REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CELERY_BROKER_URL}}

EMAIL_HOST = env.text("REGULARS_SMTP_HOST")
EMAIL_PORT = env.number("REGULARS_SMTP_PORT", 587)
EMAIL_HOST_USER = env.text("REGULARS_SMTP_USER", "")
EMAIL_HOST_PASSWORD = env.text("REGULARS_SMTP_PASSWORD", "")
EMAIL_USE_TLS = env.flag("REGULARS_SMTP_STARTTLS", True)
DEFAULT_FROM_EMAIL = env.text("REGULARS_FROM_EMAIL")
MAIL_CATCHER = False

# The names of the files carry a hash of their content, so that browsers may keep them for good.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# gunicorn speaks plain http: one proxy that ends https stands before it, and its headers are believed.
PROXIES = env.number("REGULARS_PROXIES", 1)
REST_FRAMEWORK = {**REST_FRAMEWORK, "NUM_PROXIES": PROXIES}
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.flag("REGULARS_SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
# The __Host- prefix makes browsers refuse the cookie over http and from a sister domain.
SESSION_COOKIE_NAME = "__Host-sessionid"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
