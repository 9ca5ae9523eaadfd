"""Portraits: uploaded pictures made safe and small, and a drawing of our own where there is none."""

import hashlib
import io
import uuid
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

MAX_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 40_000_000
SIDE = 640
"""Pixels of the square that is kept."""
FORMATS = ("JPEG", "PNG", "WEBP")


def clean_portrait(upload: UploadedFile) -> ContentFile:
    """The picture decoded, turned upright, cut to a square and written anew as WebP.

    So nothing of the file itself is kept: no metadata (a phone writes where it was), nothing hidden in it.
    Raises ValidationError for what is too large or not a JPEG, PNG or WebP picture (an SVG can carry scripts).
    """
    if upload.size is None or upload.size > MAX_BYTES:
        raise ValidationError(_("The picture is larger than 5 MB; choose a smaller one."), code="too_large")
    try:
        with Image.open(upload, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValidationError(_("The picture has more than 40 million pixels."), code="too_many_pixels")
            upright = ImageOps.exif_transpose(image)
            square = ImageOps.fit(upright.convert("RGB"), (SIDE, SIDE), centering=(0.5, 0.35))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValidationError(_("Only JPEG, PNG and WebP pictures can be used."), code="no_picture") from error
    written = io.BytesIO()
    square.save(written, "WEBP", quality=86, method=4)
    return ContentFile(written.getvalue(), name=f"{uuid.uuid4().hex}.webp")


@dataclass(frozen=True)
class Drawing:
    """What stands in for a portrait: initials before two hills and a sun, always the same for a name."""

    initials: str
    tone: int
    sun_x: int
    sun_y: int
    near: int
    far: int


TONES = 6


def drawing(name: str) -> Drawing:
    """The drawing for a name; tones are the classes ``rg-tone-0`` to ``rg-tone-5``."""
    digest = hashlib.sha256(name.encode()).digest()
    words = [word for word in name.split() if word[0].isalnum()]
    initials = "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words[:1])).upper()
    return Drawing(
        initials=initials or "?",
        tone=digest[0] % TONES,
        sun_x=20 + digest[1] % 60,
        sun_y=18 + digest[2] % 22,
        near=62 + digest[3] % 14,
        far=46 + digest[4] % 12,
    )
