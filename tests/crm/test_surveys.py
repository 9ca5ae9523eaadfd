"""Answers to surveys, invoices and places of postcodes: through the API, from files, and what rules make of them."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from crm import companies, stores, surveys
from crm.attributes import Filter, lookup
from crm.importing import ImportResult, import_file
from crm.models import Answer, ChangeMark, Company, Customer, Invoice, PostcodePlace, Question, Survey
from segments import domain, offers, text, why
from segments.rules import RuleError
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db
NOW = make.NOW
Import = Callable[..., ImportResult]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    def run(kind: str, header: str, *rows: str, **options: Any) -> ImportResult:
        path = tmp_path / f"{kind}.csv"
        path.write_text("\n".join([header, *rows, ""]))
        return import_file(kind=kind, path=path, now=NOW, **options)

    return run


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(person("Administrator"))
    return client


def marked() -> set[int | None]:
    found: set[int | None] = set(ChangeMark.objects.values_list("customer_id", flat=True))
    ChangeMark.objects.all().delete()
    return found


def asking(attribute: str, operator: str, value: Any = None, **filters: str) -> dict[str, Any]:
    asked = {"attribute": attribute, "operator": operator, "filters": filters}
    return {"v": 1, "rule": asked if value is None else {**asked, "value": value}}


def named(rule: dict[str, Any]) -> set[str]:
    return {one.number for one in domain.sample(rule=rule, now=NOW, size=100)}


def test_answers_come_through_the_api_once_and_mark_their_customer(api: APIClient) -> None:
    anna = make.customer(number="C1")
    assert api.post("/api/surveys/", {"slug": "spring", "title": "Spring"}, format="json").status_code == 201
    question = {"slug": "favourite-season", "text": "Favourite season?"}
    assert api.post("/api/questions/", question, format="json").status_code == 201
    marked()
    answer = {
        "client_key": str(uuid.uuid4()),
        "customer": "C1",
        "survey": "spring",
        "question": "favourite-season",
        "value": "winter",
        "answered_at": "2026-05-01T10:00:00Z",
    }
    for _ in range(2):
        sent = api.post("/api/answers/", {"answers": [answer]}, format="json")
        assert (sent.status_code, sent.json()) == (201, {"recorded": 1})
    assert marked() == {anna.pk}
    assert Answer.objects.get().value == "winter"
    assert api.get("/api/answers/", {"question": "favourite-season"}).json()["results"][0]["value"] == "winter"
    clash = api.post("/api/answers/", {"answers": [{**answer, "value": "summer"}]}, format="json")
    assert clash.status_code == 409 and Answer.objects.get().value == "winter"
    wrong = api.post("/api/answers/", {"answers": [{**answer, "question": "x"}]}, format="json")
    assert wrong.status_code == 400 and "There is no question “x”." in str(wrong.json())


def test_the_newest_answer_counts_and_an_unknown_question_is_an_error_with_a_suggestion(load: Import) -> None:
    make.customer(number="1")
    make.customer(number="2")
    header = "customer_id,question,answer,answered_at"
    rows = [
        "1,Favourite season?,summer,2026-01-01",
        "1,favourite-season,winter,2026-02-01",
        "2,favourite-season,summer,",
    ]
    marked()
    result = load("answers", header, *rows, "9,favourite-season,x,", "1,?!,x,", "2,favourite-season,,")
    assert (result.created, result.refused) == (3, 3)
    assert len(marked()) == 2
    assert list(Question.objects.values_list("slug", "text")) == [("favourite-season", "Favourite season?")]
    assert named(asking("answer", "=", "winter", question="favourite-season")) == {"1"}
    assert named(asking("answer", "=", "summer", question="Favourite season?")) == {"2"}
    again = load("answers", header, *rows)
    assert (again.created, again.unchanged) == (0, 3)
    with pytest.raises(RuleError) as error:
        domain.count(rule=asking("answer", "=", "winter", question="favorite-season"), now=NOW)
    assert error.value.problems[0].message == (
        "There is no question “favorite-season”. Did you mean “favourite-season”?"
    )
    with pytest.raises(RuleError) as error:
        domain.count(rule=asking("answer", "=", "winter"), now=NOW)
    assert error.value.problems[0].message == "Choose a question."


def test_questions_and_their_answers_are_offered_with_their_counts(load: Import, client: Client) -> None:
    for number in "123":
        make.customer(number=number)
    rows = ["1,season,winter,", "2,season,winter,", "3,season,spring,", "1,wine,red,"]
    load("answers", "customer_id,question,answer,answered_at", *rows)
    attribute = lookup("answer")
    assert attribute is not None
    found = offers.values_of(attribute=attribute, text="", argument="season")
    assert [(one.value, one.count) for one in found] == [("winter", 2), ("spring", 1)]
    assert offers.values_of(attribute=attribute, text="", argument="nothing") == []
    assert [(one.value, one.count) for one in offers.names_for(kind=Filter.QUESTION, text="s")] == [("season", 3)]
    client.force_login(person("Marketing"))
    answer = client.get(
        reverse("admin:segments_segment_values"), {"attribute": "answer", "text": "win", "argument": "season"}
    )
    assert [one["value"] for one in answer.json()["values"]] == ["winter"]


def test_a_special_question_selects_only_who_consented(load: Import) -> None:
    from crm.consents import record_consent

    people = [make.customer(number=number) for number in "12"]
    load("answers", "customer_id,question,answer,answered_at", "1,belief,zen,", "2,belief,zen,")
    surveys.save_question(question=_special(Question.objects.get()))
    rule = asking("answer", "=", "zen", question="belief")
    assert named(rule) == set()
    record_consent(
        customer=people[0], channel="", purpose="sensitive", granted=True, source="form", stated_at=NOW, now=NOW
    )
    assert named(rule) == {"1"}
    assert named({"v": 1, "rule": {"not": rule["rule"]}}) == set()
    segment = domain.create_segment(name="Zen", rule=rule, by=None)
    told = [why.explain(customer=one, segment=segment, now=NOW).conditions[0].has for one in people]
    assert "zen" in told[0] and "zen" not in told[1]
    attribute = lookup("answer")
    assert attribute is not None
    assert [one.count for one in offers.values_of(attribute=attribute, text="", argument="belief")] == [1]


def _special(question: Question) -> Question:
    question.privacy = Question.Privacy.SPECIAL
    return question


def test_invoices_from_a_file_and_the_api_say_who_pays(load: Import, api: APIClient) -> None:
    anna, bo = make.customer(number="1"), make.customer("Bo Ek", number="2")
    make.customer("Di Li", number="3")
    header = "invoice,customer_id,issued_on,due_on,paid_on,amount"
    rows = ["A,1,2026-04-01,2026-05-01,,10.00", "B,2,2026-04-01,2026-05-20,,20.50"]
    marked()
    result = load("invoices", header, *rows, "C,9,2026-04-01,2026-05-01,,1", "D,1,2026-04-01,2026-03-01,,1", "E,1,,,,")
    assert (result.created, result.refused) == (2, 3)
    assert marked() == {anna.pk, bo.pk}
    assert named(asking("solvent", "is", False)) == {"1"}
    assert named(asking("solvent", "is", True)) == {"2"}
    assert named(asking("overdue", ">", 0)) == {"1"}
    tomorrow = NOW + timedelta(days=1)
    assert domain.count(rule=asking("overdue", "=", "20.50"), now=tomorrow) == 1
    paid = load("invoices", "invoice,paid_on", "A,2026-05-19")
    assert (paid.updated, marked()) == (1, {anna.pk})
    assert named(asking("solvent", "is", True)) == {"1", "2"}
    assert load("invoices", "invoice,paid_on", "A,2026-05-19").unchanged == 1
    new = {"number": "Z", "customer": "3", "issued_on": "2026-01-01", "due_on": "2026-01-31", "amount": "5.00"}
    assert api.post("/api/invoices/", new, format="json").status_code == 201
    assert named(asking("solvent", "is", False)) == {"3"}
    assert api.patch("/api/invoices/Z/", {"paid_on": "2026-02-02"}, format="json").status_code == 200
    assert named(asking("solvent", "is", False)) == set()
    assert Invoice.objects.count() == 3


def test_distance_comes_from_the_own_point_or_the_postcodes_place(load: Import, settings: Any) -> None:
    settings.COUNTRY = "LV"
    store = make.store("main", latitude=56.9496, longitude=24.1052)
    make.customer(number="own", latitude=57.0, longitude=24.1)
    make.customer(number="place", postcode="LV-1010")
    make.customer(number="abroad", postcode="1010", country="AT")
    make.customer(number="nowhere")
    marked()
    header = "postcode,country,latitude,longitude"
    result = load("places", header, "LV-1010,,56.95,24.11", "1010,AT,48.21,16.37", "1010,LV,1,1", "2000,,95,1", ",,1,1")
    assert (result.created, result.refused) == (2, 3)
    assert marked() == {None}
    assert load("places", header, "LV-1010,,56.95,24.11").unchanged == 1 and marked() == set()
    assert named(asking("distance", "<=", 1, store="main")) == {"place"}
    assert named(asking("distance", "between", [5, 6], store="Main")) == {"own"}
    assert named(asking("distance", ">", 1000, store="main")) == {"abroad"}
    assert named(asking("distance", "unknown", store="main")) == {"nowhere"}
    store.latitude = None
    stores.save_store(store=store)
    assert marked() == {None}
    assert named(asking("distance", "known", store="main")) == set()


def test_a_customer_who_moves_without_a_new_point_is_where_the_postcode_is(load: Import) -> None:
    make.customer(number="1", postcode="1010", latitude=57.0, longitude=24.1)
    load("customers", "customer_id,postcode", "1,1010")
    assert Customer.objects.get().latitude == 57.0
    load("customers", "customer_id,postcode", "1,2020")
    assert Customer.objects.get().latitude is None
    result = load("customers", "customer_id,latitude,longitude,area_kind", "1,56.9,24.2,urban")
    assert result.updated == 1
    anna = Customer.objects.get()
    assert (anna.latitude, anna.longitude, anna.area_kind) == (56.9, 24.2, "urban")


def test_whoever_belongs_to_a_company_changes_with_it(load: Import) -> None:
    anna, bo = make.customer(number="1"), make.customer("Bo Ek", number="2")
    load("customers", "customer_id,company", "1,ACME")
    marked()
    load("companies", "company,industry,employees,decision_maker", "ACME,Building,12,2")
    assert marked() == {anna.pk, bo.pk}
    assert named(asking("industry", "=", "Building")) == {"1"}
    assert named(asking("company_size", "between", [10, 12])) == {"1"}
    assert named(asking("decision_maker", "is", True)) == {"2"}
    company = Company.objects.get()
    company.industry, company.decision_maker = "Retail", None
    companies.save_group(group=company)
    assert marked() == {anna.pk, bo.pk}
    companies.delete_group(group=company)
    assert marked() == {anna.pk}
    load("households", "household_id,decision_maker", "H,1")
    assert marked() == {anna.pk}
    assert named(asking("household_decision_maker", "is", True)) == {"1"}
    assert Survey.objects.count() == 0 and PostcodePlace.objects.count() == 0


def test_the_text_form_asks_for_them_too(load: Import) -> None:
    make.store("main", latitude=56.9496, longitude=24.1052)
    make.customer(number="1", latitude=57.0, longitude=24.1)
    load("answers", "customer_id,question,answer,answered_at", "1,favourite-season,winter,")
    rule = 'answer("favourite-season") = "winter" and distance("main") < 10 and mails(opened, last: 30 days) = 0'
    assert domain.count(rule=text.parse(rule), now=NOW) == 1
