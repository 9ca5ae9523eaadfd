"""Two or three segments side by side."""

import json
from math import pi
from urllib.parse import parse_qs, urlparse

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from segments import overlap, text
from segments.models import Membership, Segment
from segments.rules import parse
from tests.crm import make
from tests.crm.make import a_customer
from tests.support.people import person

pytestmark = pytest.mark.django_db
COMPARE = "admin:segments_segment_compare"


@pytest.fixture
def segments() -> list[Segment]:
    """A has 5 members, B 4, C 1: two are in A and B, one of them in C too."""
    made = [Segment.objects.create(name=name) for name in "ABC"]
    people = [a_customer() for _ in range(8)]
    for segment, places in zip(made, ([0, 1, 2, 3, 4], [3, 4, 5, 6], [4]), strict=True):
        Membership.objects.bulk_create(
            Membership(segment=segment, customer=people[place], entered_at=make.NOW, rule_version=1) for place in places
        )
    return made


def test_every_combination_is_counted(segments: list[Segment]) -> None:
    two = overlap.regions(segments=segments[:2])
    assert [(region.name, region.count) for region in two] == [("A and B", 2), ("A, not B", 3), ("B, not A", 2)]
    three = overlap.regions(segments=segments)
    assert [(region.name, region.count) for region in three] == [
        ("A and B and C", 1),
        ("A and B, not C", 1),
        ("A and C, not B", 0),
        ("B and C, not A", 0),
        ("A, not B or C", 3),
        ("B, not A or C", 2),
        ("C, not A or B", 0),
    ]
    assert sum(region.count for region in three) == Membership.objects.values("customer").distinct().count()


def test_sentence_says_the_overlap_both_ways(segments: list[Segment]) -> None:
    found = overlap.regions(segments=segments[:2])
    assert overlap.sentence(segments=segments[:2], found=found) == (
        "40% of the members of “A” are also in “B”; the other way round it is 50%."
    )
    assert overlap.sentence(segments=segments, found=overlap.regions(segments=segments)) == ""


def test_each_combination_is_a_rule(segments: list[Segment]) -> None:
    (_both, without, _other) = overlap.regions(segments=segments[:2])
    address = urlparse(overlap.link(without))
    asked = parse_qs(address.query)
    assert (address.path, asked["name"]) == (reverse("admin:segments_segment_add"), ["A, not B"])
    assert text.write(parse(json.loads(asked["rule"][0]))) == 'in segment "A" and not in segment "B"'


@pytest.mark.parametrize(
    ("first", "second", "shared"), [(1.0, 1.0, 0.5), (1.0, 0.4, 0.1), (0.3, 0.9, 0.0), (1.0, 0.5, 0.25 * pi)]
)
def test_circles_share_the_area_that_they_should(first: float, second: float, shared: float) -> None:
    apart = overlap.distance(first, second, shared)
    assert abs(overlap.lens(first, second, apart) - shared) < 1e-6


def test_drawing_fits_its_box(segments: list[Segment]) -> None:
    for pair in (segments[:2], segments[1::-1], [segments[2], segments[0]], [segments[0], segments[2]]):
        drawn = overlap.venn(segments=pair, found=overlap.regions(segments=pair))
        assert drawn is not None
        for x, y, r, _name in drawn.circles:
            assert 0 <= x - r < x + r <= drawn.width
            assert 0 <= y - r < y + r <= drawn.height
    assert overlap.venn(segments=segments, found=overlap.regions(segments=segments)) is None


def test_page_shows_the_numbers_and_leads_to_new_segments(client: Client, segments: list[Segment]) -> None:
    client.force_login(person("Marketing"))
    keys = [str(segment.pk) for segment in segments]
    page = client.get(reverse(COMPARE, query={"segment": keys[:2]}))
    assert [region.count for region, _link in page.context["regions"]] == [2, 3, 2]
    assert overlap.link(page.context["regions"][1][0]).replace("&", "&amp;") in page.content.decode()
    three = client.get(reverse(COMPARE, query={"segment": keys}))
    assert three.context["chart"]["series"][0]["values"] == [1, 1, 0, 0, 3, 2, 0]
    for odd in ("", "x", "9" * 30, "-1"):
        assert client.get(reverse(COMPARE, query={"segment": [odd, keys[0]]})).context["regions"] == []
    chosen = client.post(
        reverse("admin:segments_segment_changelist"), {"action": "compare_chosen", "_selected_action": keys[:2]}
    )
    assert chosen.headers["Location"] == reverse(COMPARE, query={"segment": keys[:2]})


def test_link_opens_the_builder_with_the_rule(client: Client, segments: list[Segment]) -> None:
    client.force_login(person("Marketing"))
    region = overlap.regions(segments=segments[:2])[1]
    page = client.get(overlap.link(region))
    form = page.context["adminform"].form
    assert (form["name"].value(), json.loads(form["rule"].value())) == ("A, not B", region.rule)


def test_comparing_needs_to_read_segments(client: Client) -> None:
    client.force_login(User.objects.create_user("s", is_staff=True))
    assert client.get(reverse(COMPARE)).status_code == 403
