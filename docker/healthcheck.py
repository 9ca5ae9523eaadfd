"""For the container's health: exit 0 where the web server and its database answer."""

import os
import sys
from urllib.error import URLError
from urllib.request import urlopen

try:
    with urlopen(f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz", timeout=5) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except URLError as error:
    sys.exit(str(error))
