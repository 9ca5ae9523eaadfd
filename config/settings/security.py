"""Who gets in, for how long, and what a browser may do on our pages. production.py adds what needs https."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from config import env

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "start"
LOGOUT_REDIRECT_URL = "login"

# How many proxies of our own stand before the web server: throttles count failures by the address that the outermost
# of them saw. 0: the address that connects to us.
PROXIES = env.number("REGULARS_PROXIES", 0)

# Log-ins are throttled by account and address together, so that one guesser cannot lock a till out.
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "429.html"
AXES_CLIENT_IP_CALLABLE = "crm.client.address"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# ... and by address alone, against one who tries a common password on every account.
LOGIN_ATTEMPTS_PER_ADDRESS = 60
LOGIN_ATTEMPTS_SECONDS = 900

# A till stays logged in through the working week; whoever can see customer lists logs in every day.
SESSION_COOKIE_AGE = 12 * 3600
TILL_SESSION_SECONDS = 7 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "payment", "usb")
)

# Larger requests are refused before they are read; Django's own limit is for what it would hold in memory.
MAX_REQUEST_BYTES = 20 * 1024 * 1024
# Files to import, for logged-in people who may import; they go to the disk as they come.
MAX_UPLOAD_BYTES = env.number("REGULARS_MAX_UPLOAD_MB", 200) * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000  # a page of rows to mend has a field a cell

# docs/decisions/content-security-policy.md tells why there are two.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
CONTENT_SECURITY_POLICY_ADMIN: dict[str, Any] = {
    "DIRECTIVES": {
        **CONTENT_SECURITY_POLICY["DIRECTIVES"],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "frame-ancestors": [SELF],
    }
}
