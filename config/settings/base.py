"""What every installation shares. local.py, test.py and production.py add the rest."""

from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from config import env
from config.look import UNFOLD as UNFOLD  # the back office's own settings, kept apart
from config.settings.security import *  # noqa: F403 - the part of these settings that keeps people out
from config.settings.security import PROXIES

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATA_DIR = Path(env.text("REGULARS_DATA", str(BASE_DIR / ".data"))).resolve()

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "axes",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "crm",
    "segments",
    "personas",
    "campaigns",
]

MIDDLEWARE = [
    "config.middleware.health",
    "config.middleware.request_size",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.ContentSecurityPolicy",
    "config.middleware.browser_headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "config.middleware.ViewSize",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["config.login.LoginThrottle", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
TRANSLATIONS = [("ru", _("Russian")), ("it", _("Italian")), ("fi", _("Finnish")), ("is", _("Icelandic"))]
# A language is offered once its catalogue is there: Django's own words in one language and ours in another help nobody.
LANGUAGES = [
    ("en", _("English")),
    *((code, name) for code, name in TRANSLATIONS if (LOCALE_PATHS[0] / code / "LC_MESSAGES" / "django.mo").exists()),
]
USE_TZ = True
TIME_ZONE = env.time_zone("REGULARS_TIME_ZONE", "UTC")
CURRENCY = env.text("REGULARS_CURRENCY", "USD")
"""ISO 4217 code of the shop's one currency; every *_minor column counts its hundredths."""
COUNTRY = env.text("REGULARS_COUNTRY", "US")
"""ISO 3166 code of the country whose phone numbers are written without a prefix."""
PROFILING_AGE = env.number("REGULARS_PROFILING_AGE", 16)
"""Below this age nobody is in segments or gets promotions until a guardian has agreed. 0: no limit."""

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS: list[Any] = [
    BASE_DIR / "static",
    # npm packages, installed by `make setup`, served as they are.
    ("vendor/echarts", BASE_DIR / "node_modules" / "echarts" / "dist"),
    ("vendor/htmx", BASE_DIR / "node_modules" / "htmx.org" / "dist"),
]
STATICFILES_DIRS = [d for d in STATICFILES_DIRS if Path(d[1] if isinstance(d, tuple) else d).is_dir()]
MEDIA_URL = "media/"
MEDIA_ROOT = DATA_DIR / "media"
# Large uploads go to the disk that they stay on, not to /tmp, which may be memory.
FILE_UPLOAD_TEMP_DIR = MEDIA_ROOT / "incoming"

# The database is the truth, the broker is a bell (DESIGN, promise 8).
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_DEFAULT_QUEUE = "fast"
# What waits for others (a mail server) never stands before the refresh of segments, and what works long (an import of a
# million rows) before neither.
CELERY_TASK_ROUTES = {
    **{name: {"queue": "bulk"} for name in ("campaigns.tasks.send_chunk", "crm.tasks.mail_receipts")},
    **{
        f"crm.tasks.{name}": {"queue": "jobs"}
        for name in ("run_jobs", "clean_up_jobs", "let_data_expire", "find_duplicates")
    },
    "segments.tasks.see_to_knowledge": {"queue": "jobs"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Bells that wait for nobody expire, so that a worker coming back does not hear an hour of them.
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "receipts-by-mail": {"task": "crm.tasks.mail_receipts", "schedule": 15.0, "options": {"expires": 15}},
    "jobs": {"task": "crm.tasks.run_jobs", "schedule": 10.0, "options": {"expires": 10}},
    # Asked every few minutes, done once on each of the shop's days; a day of downtime is caught up with.
    "loyalty-day": {"task": "crm.tasks.see_to_loyalty_day", "schedule": 300.0, "options": {"expires": 300}},
    "duplicates": {"task": "crm.tasks.find_duplicates", "schedule": 900.0, "options": {"expires": 900}},
    "old-files": {"task": "crm.tasks.clean_up_jobs", "schedule": 3600.0, "options": {"expires": 3600}},
    "personal-data": {"task": "crm.tasks.let_data_expire", "schedule": 6 * 3600.0, "options": {"expires": 3600}},
    "campaigns": {"task": "campaigns.tasks.dispatch", "schedule": 3.0, "options": {"expires": 3}},
    "segments-follow-the-facts": {"task": "segments.tasks.refresh_marked", "schedule": 2.0, "options": {"expires": 10}},
    # A new rule, a large import, and each new day of the shop make segments due for everybody.
    "segments-due": {"task": "segments.tasks.refresh_due", "schedule": 10.0, "options": {"expires": 30}},
    "knowledge": {"task": "segments.tasks.see_to_knowledge", "schedule": 120.0, "options": {"expires": 120}},
}

EMAIL_TIMEOUT = 30

RETENTION_RULES = Path(env.text("REGULARS_RETENTION_RULES", str(BASE_DIR / "config" / "retention.toml")))
"""What becomes of personal data, at erasure and in time; the file's head says how it is written."""

# The doors through which campaigns leave, by channel (campaigns/channels).
CAMPAIGN_DOORS = {"email": "campaigns.channels.email.EmailDoor"}
SENDING_LEASE_SECONDS = env.number("REGULARS_SENDING_LEASE_SECONDS", 300)
"""How long a worker may hold deliveries; after that, a dead one's go back or are shown as unclear."""
SENDING_RETRY_SECONDS = env.number("REGULARS_SENDING_RETRY_SECONDS", 300)
"""The first wait after a recipient's temporary error; it triples each time."""
SENDING_BACKOFF_SECONDS = env.number("REGULARS_SENDING_BACKOFF_SECONDS", 15)
"""The first wait after trouble with the mail server itself; it doubles each time."""

JOB_LEASE_SECONDS = env.number("REGULARS_JOB_LEASE_SECONDS", 60)
"""After this many seconds without a life sign a job's worker counts as dead, and another one takes the job."""
JOB_FILES_DAYS = env.number("REGULARS_JOB_FILES_DAYS", 30)
"""How long uploads, exports and error files are kept: they hold personal data."""

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crm.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["crm.api.base.ModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "crm.api.errors.explain",
    "DEFAULT_PAGINATION_CLASS": "crm.api.base.Pages",
    "PAGE_SIZE": 100,
    "DEFAULT_THROTTLE_CLASSES": ["crm.api.throttles.Requests"],
    "NUM_PROXIES": PROXIES,
    "DEFAULT_THROTTLE_RATES": {"user": "1200/min", "failed_token": "30/min"},
}
API_DESCRIPTION = """
Customers, products, receipts and segments of one shop.

Log in with a token (`Authorization: Token ...`, made by an administrator in the back office) or with the session of the
back office. A token may do what its account may do there, or less where it was confined to some parts.

What goes wrong is told as problem details (RFC 9457): `detail` says it in a sentence, `errors` field by field.

Amounts are decimal strings with their currency beside them. Times are ISO 8601 with their zone; days are those of the
shop. A field or filter that does not exist is refused, not ignored. Lists come in pages: follow `next`.
"""
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Regulars API",
    "DESCRIPTION": API_DESCRIPTION,
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "crm.api.errors.describe",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ChannelEnum": "crm.models.Channel",
        "SalesChannelEnum": "crm.models.SalesChannel",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("REGULARS_LOG_LEVEL", "INFO")},
    "loggers": {"axes": {"level": "WARNING"}},  # it keeps its own book of log-ins
}
