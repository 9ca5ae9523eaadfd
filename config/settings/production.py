"""A shop's own server. Every secret comes from the environment and none has a default."""

from config import env
from config.settings.base import *  # noqa: F403 - settings modules extend one another this way

DEBUG = False
SECRET_KEY = env.text("REGULARS_SECRET_KEY")
ADDRESS_HASH_KEY = env.text("REGULARS_ADDRESS_HASH_KEY")
ALLOWED_HOSTS = env.words("REGULARS_HOSTS")
SITE_URL = env.text("REGULARS_SITE_URL")
CSRF_TRUSTED_ORIGINS = [SITE_URL]

DATABASES = {"default": env.database(env.text("DATABASE_URL"))}
CELERY_BROKER_URL = env.text("REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CELERY_BROKER_URL}}

EMAIL_HOST = env.text("REGULARS_SMTP_HOST")
EMAIL_PORT = env.number("REGULARS_SMTP_PORT", 587)
EMAIL_HOST_USER = env.text("REGULARS_SMTP_USER", "")
EMAIL_HOST_PASSWORD = env.text("REGULARS_SMTP_PASSWORD", "")
EMAIL_USE_TLS = env.flag("REGULARS_SMTP_STARTTLS", True)
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = env.text("REGULARS_FROM_EMAIL")
MAIL_CATCHER = False

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.flag("REGULARS_SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
