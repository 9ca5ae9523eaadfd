from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import liquid
from campaigns.models import Variant
from campaigns.placeholders import CATALOGUE
from campaigns.rendering import MessageError, check_placeholders, compile_variant

MJML = "<mjml><mj-body><mj-section><mj-column>\n%s\n</mj-column></mj-section></mj-body></mjml>"
SAFE = {"subject": "Hello", "body": "Text"}


def context(**customer: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"first_name": "Anna", "last_name": "", "city": "", "language": "en", "points": 12}
    return {
        "customer": values | customer,
        "last_purchase": {"product": "Coffee", "category": "Drinks", "on": "May 14, 2026", "store": "Main Street"},
        "shop": {"name": "Bean & Co", "address": "1 Main Street, Springfield", "website": ""},
        "unsubscribe_url": "https://shop.example.com/m/u/1",
    }


def problems(**fields: str) -> list[tuple[str, str]]:
    return [(problem.field, str(problem)) for problem in check_placeholders(Variant(**(SAFE | fields)))]


def test_a_message_is_personalised_in_subject_html_and_text() -> None:
    variant = Variant(
        subject='{{ customer.first_name | default: "friend" }}, more {{ last_purchase.product | default: "of it" }}?',
        preheader="A small & fine thing",
        heading="Hello",
        body="You have {{ customer.points }} points.\n\nSee you soon\nin our shop.",
        button_label="Shop now",
        button_url="https://shop.example.com/?a=1&b=2",
    )
    message = compile_variant(variant).render(context(), follow=lambda url: f"https://t.example.com/{len(url)}")
    assert message.subject == "Anna, more Coffee?"
    assert message.text == (
        "Bean & Co\n\nHello\n\nYou have 12 points.\n\nSee you soon\nin our shop.\n\n"
        "Shop now: https://t.example.com/33\n\n"
        "Bean & Co\n1 Main Street, Springfield\nYou get this because you allowed us to write to you.\n"
        "Unsubscribe: https://shop.example.com/m/u/1\n"
    )
    assert 'href="https://t.example.com/33"' in message.html
    assert "A small &amp; fine thing" in message.html
    assert "shop.example.com/?a=1" not in message.html
    assert compile_variant(variant).links == ("https://shop.example.com/?a=1&b=2",)
    assert "prefers-color-scheme: dark" in message.html
    assert "fonts.googleapis" not in message.html


def test_a_customers_name_is_escaped_in_html_text_and_attributes() -> None:
    name = "<script>alert(1)</script>\"' onload=x"
    plain = '{{ customer.first_name | default: "x" }}'
    shouted = '{{ customer.first_name | default: "x" | upcase }}'
    own = MJML % f'<mj-text><b title="{shouted}">{plain}</b></mj-text>'
    for fields in ({"body": 'Dear {{ customer.first_name | default: "x" }}'}, {"mjml": own}):
        message = compile_variant(Variant(subject="s", **fields)).render(context(first_name=name))
        assert "<script" not in message.html.lower()
        assert "&lt;script&gt;" in message.html
        assert '" onload' not in message.html.lower().replace("&#34;", "").replace("&#39;", "")
        assert name in message.text


@given(name=st.text(alphabet="<>\"'&=/ abc;#%{}\n", max_size=30), filter_=st.sampled_from(sorted(liquid.FILTERS)))
def test_no_filter_lets_markup_out_of_a_value(name: str, filter_: str) -> None:
    arguments = {"append": ': "!"', "prepend": ': "!"', "remove": ': "a"', "replace": ': "a", "b"', "default": ': "x"'}
    numbers = {"date": ': "%Y"', "truncate": ": 9", "truncatewords": ": 2"}
    argument = (arguments | numbers).get(filter_, ": 2" if filter_ in ("divided_by", "minus", "plus", "times") else "")
    try:
        out = liquid.FOR_HTML.from_string(f"{{{{ name | {filter_}{argument} }}}}").render(name=name)
    except liquid.LiquidError:
        return
    assert not set("<>\"'") & set(out)


def test_a_line_break_in_a_name_never_reaches_the_subject() -> None:
    variant = Variant(subject='Hi {{ customer.first_name | default: "x" }}', body="Text")
    message = compile_variant(variant).render(context(first_name="Anna\r\nBcc: all@example.com\u2028x"))
    assert message.subject == "Hi Anna Bcc: all@example.com x"


def test_what_stands_in_a_placeholder_never_reaches_the_mjml_parser() -> None:
    odd = "{{ customer.first_name | default: 'a < b &quot;c&quot; </mj-text> > d' }}"
    for fields in ({"body": odd}, {"mjml": MJML % f"<mj-text>{odd}</mj-text>"}):
        message = compile_variant(Variant(subject="s", **fields)).render(context(first_name=""))
        assert "a < b &quot;c&quot; </mj-text> > d" in message.html


@pytest.mark.parametrize(
    "name", ["settings", "customer.password", "customer.__class__", "shop.pk", "links.l0", "request.user", "customer"]
)
def test_an_unknown_placeholder_is_an_error_that_names_it(name: str) -> None:
    [(field, message)] = problems(body=f"One\n\n{{{{ {name} }}}}")
    assert field == "body"
    assert message.startswith(f"Line 3: There is no placeholder “{name}”.")


def test_the_nearest_known_placeholder_is_named() -> None:
    assert problems(subject="{{ customer.frist_name }}") == [
        ("subject", "There is no placeholder “customer.frist_name”. Did you mean “customer.first_name”?")
    ]
    assert problems(subject="{{ first_name }}")[0][1].endswith("Did you mean “customer.first_name”?")


def test_a_placeholder_that_may_be_empty_needs_a_default_or_a_condition() -> None:
    assert problems(heading="Hi {{ customer.first_name }}") == [
        (
            "heading",
            "“customer.first_name” is not known of every customer. Say what stands there instead: "
            '{{ customer.first_name | default: "friend" }}',
        )
    ]
    assert problems(heading='Hi {{ customer.first_name | default: "you" }}') == []
    assert problems(body='{% if customer.city != "" %}In {{ customer.city }}{% endif %}') == []
    assert problems(body='{% if customer.city != "" %}In {{ customer.first_name }}{% endif %}') != []
    assert problems(body="{{ customer.points }}") == []


@pytest.mark.parametrize("placeholder", CATALOGUE, ids=lambda p: p.name)
def test_what_the_menu_inserts_passes_the_check(placeholder: Any) -> None:
    assert problems(body=f"Text {placeholder.code}") == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{% include "a" %}', "“include” can't be used in a message."),
        ('{% render "a" %}', "“render” can't be used in a message."),
        ("{% for i in (1..9) %}x{% endfor %}", "“for” can't be used in a message."),
        ("{{ customer.points | safe }}", "There is no filter “safe”"),
        ("{{ customer.points | base64_decode }}", "There is no filter “base64_decode”"),
        ("{{ customer.points", "A placeholder is opened but not closed."),
        ("{% if customer.points %}x", "“{% endif %}” is missing."),
    ],
)
def test_what_a_message_may_not_do_is_refused(body: str, message: str) -> None:
    [(_field, said)] = problems(body=body)
    assert message in said


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example.com",
        "/relative",
        "https://{{ customer.points }}.example.com/",
        "https://{{ customer.points }}",
        "{{ customer.points }}",
        "{{ customer.points }}://x",
        "https://shop.example.com/{{ customer.points }}",
    ],
)
def test_a_link_leads_only_where_a_link_may(url: str) -> None:
    assert [field for field, _ in problems(button_label="Go", button_url=url)] == ["button_url"]
    assert [field for field, _ in problems(mjml=MJML % f'<mj-text><a class="x > y" href="{url}">Go</a></mj-text>')] == [
        "mjml"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "http://shop.example.com/?q=1",
        "mailto:shop@example.com",
        "tel:+37120000000",
        "{{ unsubscribe_url }}",
        '{{ shop.website | default: "https://www.example.com" }}',
        "https://shop.example.com/?p={{ customer.points | url_encode }}",
    ],
)
def test_good_links_pass(url: str) -> None:
    assert problems(button_label="Go", button_url=url) == []


def test_a_button_needs_label_and_address_and_a_message_a_text() -> None:
    assert problems(button_label="Go") == [("button_url", "A button needs both a label and an address.")]
    assert problems(subject=" ", body="") == [
        ("subject", "A message needs a subject."),
        ("body", "A message needs a text."),
    ]


@pytest.mark.parametrize(
    ("mjml", "said"),
    [
        (
            "<mjml>\n<mj-body>\n<mj-sectoin></mj-sectoin>\n</mj-body></mjml>",
            "Line 3: There is no <mj-sectoin>. Did you mean <mj-section>?",
        ),
        (
            "<mjml>\n<mj-body>\n{{ customer.points\n}}\n<mj-section>\n</mj-body></mjml>",
            "Line 5: <mj-section> is not closed.",
        ),
        (
            "<mjml><mj-body>\n</mj-text></mj-body></mjml>",
            "Line 2: </mj-text> closes nothing.",
        ),
        (
            "<p>Hello</p>",
            "A message needs <mjml> with an <mj-body> inside.",
        ),
        (
            "<mjml>\n<mj-body><mj-include path='/etc/passwd'/></mj-body></mjml>",
            "Line 2: Other files can't be included.",
        ),
        (
            "<mjml><mj-body><mj-raw>\n<script>x</script></mj-raw></mj-body></mjml>",
            "Line 2: <script> can't be used in a message.",
        ),
        (
            "<mjml><mj-body><mj-raw>\n<p onclick='x'>y</p></mj-raw></mj-body></mjml>",
            "Line 2: “onclick” can't be used in a message.",
        ),
        (
            MJML % "<mj-text>a < b</mj-text>",
            "Line 2: A “<” in the text must be written &lt;.",
        ),
        (
            MJML % "<mj-image src='file:///x'/>",
            "The picture “file:///x” needs an address with https://.",
        ),
        (
            MJML % '<mj-text><p style="color:{{ customer.points }}">x</p></mj-text>',
            "A placeholder can't stand inside a style.",
        ),
    ],
)
def test_faults_of_own_mjml_are_named_with_their_line(mjml: str, said: str) -> None:
    assert ("mjml", said) in problems(mjml=mjml)


def test_own_mjml_keeps_the_shops_footer_whatever_it_holds() -> None:
    for source in (
        MJML % "<mj-text>Hi</mj-text>",
        "<mjml><mj-body /></mjml>",
        "<mjml><mj-head> <!-- mine -->\r\n  <mj-title>T</mj-title> </mj-head><mj-body></mj-body></mjml>",
    ):
        message = compile_variant(Variant(subject="s", mjml=source, preheader="Look")).render(context())
        assert 'href="https://shop.example.com/m/u/1"' in message.html
        assert "Bean &amp; Co<br />1 Main Street, Springfield" in message.html
        assert "Look" in message.html
        assert "Unsubscribe: https://shop.example.com/m/u/1" in message.text


def test_a_context_without_a_value_is_an_error_not_a_hole() -> None:
    compiled = compile_variant(Variant(subject="s", body="{{ customer.points }}"))
    with pytest.raises(MessageError):
        compiled.render({"customer": {}, "shop": context()["shop"], "unsubscribe_url": ""})


def test_equal_sources_are_compiled_once() -> None:
    assert compile_variant(Variant(subject="a", body="b")) is compile_variant(Variant(subject="a", body="b", pk=7))
    assert compile_variant(Variant(subject="a", body="c")) is not compile_variant(Variant(subject="a", body="b"))


def test_the_footer_is_written_in_the_variants_language() -> None:
    message = compile_variant(Variant(subject="s", body="b", language="en")).render(context())
    assert ">Unsubscribe</a>" in message.html
