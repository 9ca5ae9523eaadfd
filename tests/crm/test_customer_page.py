"""The page of a customer, and those of households and companies."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import activity, consents, customers, notes
from crm.models import (
    Answer,
    AuditEntry,
    Channel,
    Company,
    Customer,
    DataRequest,
    Household,
    LoyaltyEntry,
    Note,
    Question,
    Shop,
    Survey,
    Tier,
    TierAward,
)
from crm.page import lines, spending, timeline
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketing(client: Client) -> Client:
    client.force_login(person("Marketing"))
    return client


def address(customer: Customer, page: str = "change", *more: Any) -> str:
    return reverse(f"admin:crm_customer_{page}", args=[customer.pk, *more])


def html(client: Client, url: str, **headers: str) -> str:
    answer = client.get(url, headers=headers or None)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def said(client: Client, customer: Customer) -> list[str]:
    """The three lines."""
    answer = client.get(address(customer))
    return [answer.context["lines"][name] for name in ("who", "reach", "due")]


def colleague() -> User:
    return User.objects.get_or_create(username="colleague")[0]


def happened(client: Client, customer: Customer, query: str = "") -> list[str]:
    answer = client.get(address(customer, "timeline") + query, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return [shown.event.title for shown in answer.context["events"]]


def saturdays(customer: Customer, number: int) -> None:
    """Milk and bread in Main St. on so many of the last Saturdays."""
    milk, bread = make.product("Milk 1 l", path="Food > Milk"), make.product("Rye bread", path="Food > Bread")
    today = timezone.localtime()
    last = today.replace(hour=10) - timedelta(days=(today.weekday() - 5) % 7 or 7)
    for week in range(number):
        make.receipt(
            make.line(milk),
            make.line(bread, price="2.50"),
            customer=customer,
            store=make.store("main", name="Main St."),
            now=last - timedelta(weeks=week),
        )


def test_three_lines_say_who_this_is_how_to_reach_them_and_what_is_due(marketing: Client) -> None:
    company = Company.objects.create(name="Acme")
    maria = make.customer(
        "Maria Rossi",
        age_band="25-34",
        city="Riga",
        gender="female",
        email="maria@example.com",
        phone="+371 20000000",
        company=company,
        job_title="Buyer",
    )
    since = timezone.now() - timedelta(days=40)
    for channel, granted in ((Channel.EMAIL, True), (Channel.PHONE, False)):
        consents.record_consent(
            customer=maria, channel=channel, granted=granted, source="till", stated_at=since, now=since, by=None
        )
    saturdays(maria, 8)
    gold = Tier.objects.create(name="Gold", spend_minor=1_00)
    today = timezone.localdate()
    TierAward.objects.create(customer=maria, tier=gold, reached_on=today, ends_on=today + timedelta(days=30))

    who, reach, due = said(marketing, maria)

    year = Customer.objects.select_related("profile").get(pk=maria.pk).profile.first_sold_on
    assert year is not None
    assert who == (
        f"Maria Rossi, aged 25-34, from Riga, Buyer at Acme, a regular since {year.year}; "
        "usually buys Milk and Bread on Saturdays in Main St."
    )
    assert reach.startswith("Reach her by e-mail (consent since ")
    assert reach.endswith("), not by phone call.")
    assert due.startswith("Last bought on ")
    assert "for $12.50." in due and "every 7 days" in due and "tier Gold until" in due


def test_a_prospect_shows_where_they_came_from_and_what_for(marketing: Client) -> None:
    prospect = make.customer("Liga Ozola", source="fair", goal="coffee machines", email="liga@example.com")

    assert said(marketing, prospect) == [
        "Liga Ozola, has not bought yet, came through fair, interested in coffee machines.",
        "May not be written to: no consent for any channel. Service messages only.",
        "No purchase yet, so nothing is due.",
    ]
    assert 'data-test="stage"' in html(marketing, address(prospect))


def test_somebody_without_a_name_or_anything_else_has_a_page(marketing: Client) -> None:
    nobody = make.customer("")

    who, reach, _due = said(marketing, nobody)

    assert who == "Somebody whose name we do not know, has not bought yet."
    assert reach == "There is no way to reach them: we have no address."


def test_a_pause_comes_before_every_channel(marketing: Client) -> None:
    until = timezone.localdate() + timedelta(days=10)
    paused = make.customer("Anna Ozola", email="anna@example.com", pause_ends_on=until)

    assert said(marketing, paused)[1].startswith("Asked for a pause")


def test_a_stopped_address_is_not_a_way_to_reach_them(marketing: Client) -> None:
    now = timezone.now()
    anna = make.customer("Anna Ozola", email="anna@example.com")
    consents.record_consent(
        customer=anna, channel=Channel.EMAIL, granted=True, source="till", stated_at=now, now=now, by=None
    )
    consents.suppress(channel=Channel.EMAIL, address_key="anna@example.com", reason="bounced")

    assert said(marketing, anna)[1].startswith("May not be written to")


def test_a_merged_record_leads_to_the_one_that_stayed(marketing: Client) -> None:
    stays, goes = make.customer("Anna Ozola"), make.customer("Anna Ozolla")
    Customer.objects.filter(pk=goes.pk).update(merged_into=stays)

    page = html(marketing, address(goes))

    assert "merged into another one" in page
    assert address(stays) in page
    assert marketing.get(address(goes, "timeline"), headers={"HX-Request": "true"}).status_code == 404


def test_consents_show_their_proof(marketing: Client) -> None:
    now = timezone.now()
    clerk = User.objects.create_user("clerk", first_name="Carla", last_name="Clerk")
    anna = make.customer("Anna Ozola", email="anna@example.com")
    consents.record_consent(
        customer=anna,
        channel=Channel.EMAIL,
        granted=True,
        source="till",
        wording="Yes, write to me.",
        stated_at=now,
        now=now,
        by=clerk,
    )

    page = html(marketing, address(anna))

    assert all(words in page for words in ("Yes, write to me.", "Carla Clerk", "till", "anna@example.com"))


def everything(customer: Customer, number: int = 1) -> None:
    """One event of each kind that the records know."""
    now = timezone.now()
    survey = Survey.objects.get_or_create(slug="taste", defaults={"title": "Taste"})[0]
    for _ in range(number):
        product = make.product(path="Food > Tea")
        make.receipt(make.line(product), customer=customer)
        activity.record_visits(
            visits=[activity.Visit(key=uuid.uuid4(), customer=customer, visitor="", path="/tea", visited_at=now)],
            now=now,
        )
        activity.wish(customer=customer, product=product, now=now)
        activity.write_review(
            key=uuid.uuid4(), customer=customer, product=product, rating=5, text="Fine", written_at=now, now=now
        )
        question = Question.objects.get_or_create(slug="q", text="Q?")[0]
        Answer.objects.create(survey=survey, customer=customer, question=question, value="a", answered_at=now)
        notes.add_note(customer=customer, text="Likes tea.", by=colleague(), now=now)
        consents.record_consent(
            customer=customer, channel=Channel.EMAIL, granted=True, source="till", stated_at=now, now=now, by=None
        )
        LoyaltyEntry.objects.create(
            customer=customer, kind="gift", points=5, key=f"gift:{customer.pk}:{LoyaltyEntry.objects.count()}"
        )
        DataRequest.objects.create(
            customer=customer, kind="copy", through="till", asked_at=now, due_on=timezone.localdate()
        )


def test_the_timeline_tells_everything_and_can_be_narrowed(marketing: Client) -> None:
    anna = make.customer("Anna Ozola", card="29001")
    everything(anna)

    assert set(happened(marketing, anna)) >= {
        "Bought in Main",
        "Looked at a page",
        "Put on the wishlist",
        "Answered “Taste”",
        "Got a card",
        "The record was made",
        "Allowed marketing by e-mail",
        "Points: gift",
        "Asked: a copy of my data",
    }
    assert happened(marketing, anna, "?only=purchases") == ["Bought in Main"]
    assert happened(marketing, anna, "?only=answers") == ["Answered “Taste”"]


def test_the_timeline_shows_each_event_once_however_many_happened_at_the_same_moment(marketing: Client) -> None:
    anna = make.customer("Anna Ozola")
    everything(anna, 7)
    now = timezone.now()
    activity.record_visits(
        visits=[
            activity.Visit(key=uuid.uuid4(), customer=anna, visitor="", path=f"/{n}", visited_at=now) for n in range(60)
        ],
        now=now,
    )
    sources = timeline.sources(may=lambda permission: True)
    whole = timeline.page(ids=[anna.pk], sources=sources, size=1_000)
    assert not whole.after

    paged, before = [], None
    while True:
        page = timeline.page(ids=[anna.pk], sources=sources, before=before, size=10)
        paged += page.events
        before = timeline.read_cursor(page.after)
        if before is None:
            break

    assert [(one.source.key, one.event.row) for one in paged] == [(o.source.key, o.event.row) for o in whole.events]
    assert [one.event.at for one in paged] == sorted((one.event.at for one in paged), reverse=True)


@pytest.mark.parametrize("cursor", ["x", "%00", "W10", "ImEi", "WyIyMDI2LTAxLTAxIiwgIngiLCAxXQ", "A" * 5000])
def test_a_cursor_that_no_page_made_is_refused(marketing: Client, cursor: str) -> None:
    anna = make.customer("Anna Ozola")

    answer = marketing.get(address(anna, "timeline") + f"?before={cursor}", headers={"HX-Request": "true"})

    assert answer.status_code == 400


def test_a_tier_stands_at_the_day_it_was_reached_and_is_shown_once() -> None:
    anna = make.customer("Anna Ozola")
    today = timezone.localdate()
    for number, spend in enumerate((1_00, 2_00, 3_00)):
        tier = Tier.objects.create(name=f"T{number}", spend_minor=spend)
        for days in (5, 40):
            TierAward.objects.create(
                customer=anna, tier=tier, reached_on=today - timedelta(days=days), ends_on=today + timedelta(days=1)
            )
    sources = [source for source in timeline.sources(may=lambda permission: True) if source.key == "tiers"]

    seen, before = [], None
    while True:
        page = timeline.page(ids=[anna.pk], sources=sources, before=before, size=2)
        seen += [(timezone.localdate(one.event.at), one.event.row) for one in page.events]
        if not (before := timeline.read_cursor(page.after)):
            break

    awards = TierAward.objects.order_by("-reached_on", "-pk").values_list("reached_on", "pk")
    assert seen == list(awards)


def test_more_is_loaded_from_the_cursor(marketing: Client) -> None:
    anna = make.customer("Anna Ozola")
    saturdays(anna, 30)

    first = marketing.get(address(anna))
    more = happened(marketing, anna, f"?before={first.context['after']}")

    assert len(first.context["events"]) == timeline.PAGE
    assert len(more) == 31 - timeline.PAGE


def test_the_page_takes_the_same_queries_whatever_happened(marketing: Client) -> None:
    quiet, busy = make.customer("Anna Ozola", card="1"), make.customer("Liga Ozola", card="2")
    everything(quiet)
    everything(busy, 4)
    saturdays(quiet, 6)
    saturdays(busy, 30)
    marketing.get(address(quiet))

    def queries(customer: Customer) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert marketing.get(address(customer)).status_code == 200
        return len(captured)

    assert queries(quiet) == queries(busy) < 50


def test_every_look_is_in_the_book_once(marketing: Client) -> None:
    anna = make.customer("Anna Ozola")
    marketing.get(address(anna))
    happened(marketing, anna)
    marketing.get(reverse("admin:segments_customer", args=[anna.pk]), headers={"HX-Request": "true"})

    looks = AuditEntry.objects.filter(customer_id=anna.pk, action=AuditEntry.Action.LOOKED)
    assert list(looks.values_list("what", flat=True)) == ["page: customer"]


def test_a_part_that_is_opened_by_itself_is_in_the_book(marketing: Client) -> None:
    anna = make.customer("Anna Ozola")

    page = html(marketing, reverse("admin:segments_customer", args=[anna.pk]))

    assert "Segments: Anna Ozola" in page
    assert AuditEntry.objects.get(customer_id=anna.pk).what == "page: customer, segments"


@pytest.mark.parametrize("page", ["change", "edit", "timeline", "notes"])
def test_who_may_not_see_customers_sees_no_page(client: Client, page: str) -> None:
    anna = make.customer("Anna Ozola")
    client.force_login(User.objects.create_user("nobody", is_staff=True))

    answer = client.post(address(anna, page), {"text": "x"}) if page == "notes" else client.get(address(anna, page))

    assert answer.status_code == 403
    assert not Note.objects.exists()


def test_parts_need_their_own_permission(client: Client) -> None:
    anna = make.customer("Anna Ozola")
    client.force_login(User.objects.create_user("nobody", is_staff=True))

    for name in ("segments_customer", "personas_customer", "campaigns_customer"):
        assert client.get(reverse(f"admin:{name}", args=[anna.pk])).status_code == 403


def test_a_note_is_written_and_taken_away_by_whom_it_is_of(marketing: Client) -> None:
    anna = make.customer("Anna Ozola")

    marketing.post(address(anna, "notes"), {"text": "  Wants oat milk. <b>bold</b>  "})
    note = Note.objects.get()
    page = html(marketing, address(anna))
    marketing.post(address(anna, "remove_note", note.pk))

    assert note.text == "Wants oat milk. <b>bold</b>"
    assert "Wants oat milk. &lt;b&gt;bold&lt;/b&gt;" in page
    note.refresh_from_db()
    assert note.removed_at is not None and note.removed_by == note.written_by
    assert happened(marketing, anna, "?only=notes") == []


@pytest.mark.parametrize("text", ["", "   ", "x" * 2_001])
def test_an_empty_or_endless_note_is_refused_in_words(marketing: Client, text: str) -> None:
    anna = make.customer("Anna Ozola")

    answer = marketing.post(address(anna, "notes"), {"text": text}, follow=True)

    assert "note" in next(str(message) for message in answer.context["messages"])
    assert not Note.objects.exists()


def test_a_note_of_another_customer_is_not_taken_away_through_this_one(marketing: Client) -> None:
    anna, liga = make.customer("Anna Ozola"), make.customer("Liga Ozola")
    note = notes.add_note(customer=liga, text="Hers", by=colleague(), now=timezone.now())

    assert marketing.post(address(anna, "remove_note", note.pk)).status_code == 404
    assert marketing.get(address(liga, "remove_note", note.pk)).status_code == 405


def test_editing_is_a_page_of_its_own(client: Client) -> None:
    client.force_login(person("Administrator"))
    anna = make.customer("Anna Ozola")

    assert 'name="first_name"' in html(client, address(anna, "edit"))
    assert 'name="first_name"' not in html(client, address(anna))
    form = {
        "first_name": "Anna",
        "last_name": "Bērziņa",
        "cards-TOTAL_FORMS": 0,
        "cards-INITIAL_FORMS": 0,
    }
    answer = client.post(address(anna, "edit"), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert answer.headers["Location"] == address(anna)
    assert customers.live().get().last_name == "Bērziņa"


def test_a_household_shows_its_people_who_decides_and_what_they_spend_together(marketing: Client) -> None:
    home = Household.objects.create(number="H1", city="Riga", address="Brīvības 1", shares_points=True)
    anna = make.customer("Anna Ozola", household=home, card="29001")
    liga, gone = make.customer("Liga Ozola", household=home), make.customer("Old Ozola", household=home)
    Customer.objects.filter(pk=gone.pk).update(merged_into=anna)
    Household.objects.update(decision_maker=liga)
    make.receipt(make.line(make.product(price_minor=3000)), customer=anna)
    make.receipt(make.line(make.product(price_minor=1000)), customer=liga)

    answer = marketing.get(reverse("admin:crm_household_change", args=[home.pk]))
    page = answer.content.decode()

    assert [(member.customer, member.decides, member.share) for member in answer.context["members"]] == [
        (liga, True, 0.25),
        (anna, False, 0.75),
    ]
    assert answer.context["totals"]["spend_minor"] == 4000
    assert all(words in page for words in ("Liga Ozola decides.", "Brīvības 1", "29001", "They share their points"))
    assert "Old Ozola" not in page


def test_a_company_shows_industry_size_contacts_and_who_decides(marketing: Client) -> None:
    acme = Company.objects.create(name="Acme", industry="Retail", employees=1_200, website="https://acme.example")
    anna = make.customer("Anna Ozola", company=acme, job_title="Head of buying", email="anna@acme.example")
    Company.objects.update(decision_maker=anna)
    make.receipt(make.line(make.product(price_minor=3000)), customer=anna)

    page = html(marketing, reverse("admin:crm_company_change", args=[acme.pk]))

    for words in ("Acme", "Retail", "1,200 employees.", "Anna Ozola decides.", "Head of buying", "$30", "acme.example"):
        assert words in page


@pytest.mark.parametrize("kind", ["household", "company"])
def test_a_group_takes_the_same_queries_with_one_and_with_three_people(marketing: Client, kind: str) -> None:
    def of(number: int) -> str:
        group: Any = (
            Household.objects.create(number=f"H{number}")
            if kind == "household"
            else Company.objects.create(name=f"C{number}")
        )
        for n in range(number):
            make.receipt(customer=make.customer(f"Anna {n}", card=f"{kind}{number}{n}", **{kind: group}))
        return reverse(f"admin:crm_{kind}_change", args=[group.pk])

    one, three = of(1), of(3)
    marketing.get(one)
    counts = []
    for url in (one, three):
        with CaptureQueriesContext(connection) as captured:
            assert marketing.get(url).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_an_empty_household_and_company_have_pages(marketing: Client) -> None:
    home, company = Household.objects.create(number="H1"), Company.objects.create(name="Acme")

    assert "We know nobody of it yet." in html(marketing, reverse("admin:crm_household_change", args=[home.pk]))
    assert "We know nobody of it yet." in html(marketing, reverse("admin:crm_company_change", args=[company.pk]))


def test_the_list_is_narrowed_to_prospects_or_regulars(marketing: Client) -> None:
    prospect, regular = make.customer("Prospect P"), make.customer("Regular R")
    saturdays(regular, 6)

    def listed(stage: str) -> list[Customer]:
        answer = marketing.get(reverse("admin:crm_customer_changelist"), {"stage": stage})
        return list(answer.context["cl"].result_list)

    assert (listed("prospect"), listed("regular"), listed("nonsense")) == ([prospect], [regular], [prospect, regular])


def test_few_purchases_make_no_habit() -> None:
    anna = make.customer("Anna Ozola")
    saturdays(anna, 3)

    found = spending.habits(ids=[anna.pk], today=timezone.localdate())

    assert (found.weekday, found.store, found.every_days) == (None, "", None)


def test_who_came_every_week_and_stays_away_is_said_to_have_been_due() -> None:
    anna = make.customer("Anna Ozola")
    saturdays(anna, 8)
    anna.refresh_from_db()
    today = timezone.localdate()
    found = spending.habits(ids=[anna.pk], today=today)
    last = lines.LastSale(on=today - timedelta(days=30), total_minor=100)

    from crm.loyalty.tiers import standing

    due = lines.due(
        customer=Customer.objects.select_related("profile").get(pk=anna.pk),
        habits=found,
        last=last,
        standing=standing(customer=anna, today=today),
        expiring=12,
        today=today,
        shop=Shop.current(),
    )

    assert "Was due around" in due
    assert "12 points expire within a month." in due
