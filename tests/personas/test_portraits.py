import io

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from personas import portraits
from personas.portraits import clean_portrait, drawing


def picture(width: int, height: int, form: str = "JPEG", **options: object) -> SimpleUploadedFile:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "#c08040").save(written, form, **options)
    return SimpleUploadedFile("me.jpg", written.getvalue())


def code(upload: SimpleUploadedFile) -> str:
    with pytest.raises(ValidationError) as error:
        clean_portrait(upload)
    return str(error.value.code)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_becomes_a_square_webp_of_one_size(form: str):
    kept = clean_portrait(picture(900, 400, form))
    with Image.open(kept) as image:
        assert (image.format, image.size) == ("WEBP", (portraits.SIDE, portraits.SIDE))
    assert kept.name is not None and kept.name.endswith(".webp")


def test_nothing_that_a_phone_notes_in_a_picture_is_kept():
    exif = Image.Exif()
    exif[0x010E] = "at home, 56.95 N 24.11 E"
    kept = clean_portrait(picture(800, 800, exif=exif)).read()
    assert b"56.95" not in kept
    with Image.open(io.BytesIO(kept)) as image:
        assert dict(image.getexif()) == {}


def test_what_is_no_picture_is_refused_whatever_it_calls_itself():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    assert code(SimpleUploadedFile("me.jpg", svg)) == "no_picture"
    assert code(SimpleUploadedFile("me.png", b"\x89PNG\r\n\x1a\n broken")) == "no_picture"
    assert code(picture(10, 10, "GIF")) == "no_picture"


def test_too_large_is_refused_by_weight_and_by_pixels(monkeypatch):
    assert code(SimpleUploadedFile("me.jpg", b"x" * (portraits.MAX_BYTES + 1))) == "too_large"
    monkeypatch.setattr(portraits, "MAX_PIXELS", 99)
    assert code(picture(10, 10)) == "too_many_pixels"


def test_the_drawing_is_the_same_for_a_name_and_shows_its_initials():
    assert drawing("Emma Brooks") == drawing("Emma Brooks")
    assert [drawing(name).initials for name in ("Emma Brooks", "Anna Maria de Luca", "Ирина", "?", "")] == [
        "EB",
        "AL",
        "И",
        "?",
        "?",
    ]
    assert {drawing(f"name {number}").tone for number in range(60)} == set(range(portraits.TONES))
