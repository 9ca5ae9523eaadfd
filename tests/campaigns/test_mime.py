"""Every kind of message is read back with the `email` package and must say what went in."""

import html
import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.mime import HeaderRefused, Mail, build

TOKEN = uuid.UUID("0b5f1f4e-52b4-4c86-8f0a-9d1de1a2f6c3")
MAIL = Mail(
    sender="shop@example.com",
    sender_name="Corner shop",
    to="anna@example.org",
    subject="Bricks are back",
    html="<p>Hello</p>",
    text="Hello",
    token=TOKEN,
    date=datetime(2026, 11, 22, 6, 30, tzinfo=UTC),
    unsubscribe_url="https://shop.example/m/u/abc/def",
)


def read(data: bytes) -> EmailMessage:
    """The message as a mail program reads it, after the checks that hold for every message."""
    assert re.search(rb"[^\r]\n|\r[^\n]", data) is None, "a line that does not end in CRLF"
    assert max(map(len, data.split(b"\r\n"))) <= 998
    message = BytesParser(policy=policy.default).parsebytes(data)
    assert [part.defects for part in message.walk()] == [[]] * 3
    assert [defect for value in message.values() for defect in value.defects] == []
    return message


def contents(message: EmailMessage) -> list[tuple[str, str]]:
    return [(part.get_content_type(), part.get_content()) for part in message.iter_parts()]


def test_build_says_everything_once() -> None:
    message = read(build(MAIL))

    assert list(message.items()) == [
        ("From", "Corner shop <shop@example.com>"),
        ("To", "anna@example.org"),
        ("Subject", "Bricks are back"),
        ("Date", "Sun, 22 Nov 2026 06:30:00 +0000"),
        ("Message-ID", "<0b5f1f4e52b44c868f0a9d1de1a2f6c3@example.com>"),
        ("MIME-Version", "1.0"),
        ("List-Unsubscribe", "<https://shop.example/m/u/abc/def>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("Content-Type", 'multipart/alternative; boundary="=-0b5f1f4e52b44c868f0a9d1de1a2f6c3"'),
    ]
    assert contents(message) == [("text/plain", "Hello"), ("text/html", "<p>Hello</p>")]


def test_build_is_the_same_for_the_same_delivery() -> None:
    assert build(MAIL) == build(replace(MAIL))


@pytest.mark.parametrize(
    "subject",
    [
        "Плитка и кирпич снова на складе: только на этой неделе, только для постоянных покупателей магазина",
        "Þór, ævintýri og ís",
        "お客様への特別なお知らせ" * 8,
        "🧱🧱🧱 50 % off 👩‍👩‍👧‍👦 for the whole family",
        "=?utf-8?q?not_an_encoded_word?=",
        "word " * 39 + "end",
        "a" * 990,
        "Two  spaces   in the middle of a subject that is long enough to be folded somewhere here, or there",
        "trailing backslash \\",
    ],
)
def test_build_keeps_a_subject_in_any_script(subject: str) -> None:
    data = build(replace(MAIL, subject=subject))

    assert read(data)["Subject"] == subject
    assert max(map(len, data.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "name",
    ["Corner shop", "Smith, Jones & Co.", 'The "best" \\ shop', "Кирпич и K°", "Þór", "レンガ屋" * 12, "a@b", "🧱"],
)
def test_build_keeps_a_name_in_any_script(name: str) -> None:
    message = message_from_bytes(build(replace(MAIL, sender_name=name, to_name=name)))

    # By the older parser: the newer one of Python 3.11 puts spaces between adjacent encoded words of a name.
    for header, address in (("From", "shop@example.com"), ("To", "anna@example.org")):
        shown, found = parseaddr(message[header])
        assert (str(make_header(decode_header(shown))), found) == (name, address)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("Plain\nlines\n.\n.starts with a dot\n..two\n\nend", "7bit"),
        (
            "Caf\u00e9 au lait, and a good deal of plain text around it, so that few characters are special.\n.",
            "quoted-printable",
        ),
        ("x" * 5000 + "\n.\n" + "y " * 5000, "quoted-printable"),
        ("Кирпич снова на складе.\n.\n" * 50, "base64"),
        ("🧱" * 700, "base64"),
        ("", "7bit"),
        ("trailing space \nand tab\t\nFrom here\n", "7bit"),
    ],
)
def test_build_keeps_a_body_in_any_script(body: str, encoding: str) -> None:
    message = read(build(replace(MAIL, text=body)))

    text, _html = message.iter_parts()
    assert text["Content-Transfer-Encoding"] == encoding
    assert text.get_content().replace("\r\n", "\n") == body


WORDS = "word " * 400


@pytest.mark.parametrize(
    ("page", "encoding"),
    [
        ("<p>Hello</p>\n.\n", "7bit"),
        ("<td align='left'" + ' style="color:red">x</td><td' * 300 + ">", "7bit"),
        (f"<p>{WORDS}</p>" * 3, "7bit"),
        (f"<p>García, {WORDS}ça va — so viel</p><img alt='größer'>", "7bit"),
        (f"<style>p {{ font-family: 'Ünicode Sans' }}</style><p>García {WORDS}</p>", "quoted-printable"),
        (f"<style>p {{ font-family: {WORDS} }}</style>", "quoted-printable"),
        (f"<pre>{WORDS}</pre>", "quoted-printable"),
        (f"<img alt='{WORDS}'>", "quoted-printable"),
        ("x" * 3000, "quoted-printable"),
        ("<p>Кирпич снова на складе</p>\n" * 90, "base64"),
        ("windows\r\nlines\rand old ones\n", "7bit"),
    ],
)
def test_build_keeps_a_page_in_any_script(page: str, encoding: str) -> None:
    message = read(build(replace(MAIL, html=page)))

    _text, shown = message.iter_parts()
    assert shown["Content-Transfer-Encoding"] == encoding
    assert html.unescape(" ".join(shown.get_content().split())) == " ".join(page.split())
    if encoding != "7bit":
        assert shown.get_content().replace("\r\n", "\n") == page


def test_build_breaks_no_line_of_a_page_inside_a_tag() -> None:
    page = '<td width="9" style="font-family:\'Segoe UI\', Arial">Hello to all of you</td>' * 200

    _text, shown = read(build(replace(MAIL, html=page))).iter_parts()

    assert shown["Content-Transfer-Encoding"] == "7bit"
    assert shown.get_content().replace("\r\n", "\n").replace('\nstyle="', ' style="') == page


def test_build_lets_no_body_end_its_part() -> None:
    body = f"before\n--=-{TOKEN.hex}--\nafter"

    assert contents(read(build(replace(MAIL, text=body)))) == [
        ("text/plain", body.replace("\n", "\r\n")),
        ("text/html", "<p>Hello</p>"),
    ]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300), st.text(max_size=400))
@settings(deadline=None)
def test_build_keeps_whatever_is_written(subject: str, body: str) -> None:
    body = body.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")

    message = read(build(replace(MAIL, subject=subject, text=body)))

    assert message["Subject"] == subject.strip(" ")
    assert contents(message)[0][1].replace("\r\n", "\n") == body


@pytest.mark.parametrize("value", ["a\r\nBcc: all@example.org", "a\nb", "a\rb", "a\0b", "a\u2028b", "half \ud83e"])
@pytest.mark.parametrize("field", ["subject", "sender_name", "to_name", "campaign", "to", "sender", "unsubscribe_url"])
def test_build_refuses_a_line_break_in_any_header(field: str, value: str) -> None:
    with pytest.raises(HeaderRefused):
        build(replace(MAIL, **{field: value}))  # type: ignore[arg-type]  # the parameters are texts


@pytest.mark.parametrize(
    "address", ["", "anna", "@example.org", "anna@", "a b@example.org", "<anna@example.org>", "a,b@c"]
)
def test_build_refuses_what_is_no_address(address: str) -> None:
    with pytest.raises(HeaderRefused):
        build(replace(MAIL, to=address))


def test_build_writes_a_domain_in_ascii() -> None:
    assert read(build(replace(MAIL, to="anna@bücher.example")))["To"] == "anna@xn--bcher-kva.example"
