import json
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from crm import customers, merging
from crm.duplicates import find_duplicates, merge_by_rules
from crm.duplicates.comparing import Expected, compare
from crm.duplicates.finding import MOST_BEARERS
from crm.duplicates.keys import keys_of, sound
from crm.duplicates.nicknames import same_nickname
from crm.duplicates.records import Record
from crm.models import Customer, DuplicatePair, Merge, Shop
from crm.tasks import find_duplicates as task
from tests.crm import make
from tests.crm.make import NOW

pytestmark = pytest.mark.django_db

BORN = date(1984, 3, 12)
PHONE = "+371 2012 3456"


def found() -> set[tuple[int, int]]:
    find_duplicates(now=NOW)
    return set(DuplicatePair.objects.filter(status="open").values_list("first", "second"))


def pair_of(*people: Customer) -> set[tuple[int, int]]:
    first, second = sorted(one.pk for one in people)
    return {(first, second)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Анна Иванова", {"phone": PHONE}), ("Anna Ivanova", {"phone": PHONE})),
        (("Anna Müller", {"birth_date": BORN, "city": "Riga"}), ("Anna Muller", {"birth_date": BORN})),
        (("Anna Müller", {"birth_date": BORN}), ("Anna Mueller", {"birth_date": BORN, "postcode": "LV-1010"})),
        (("Guðrún Þórsdóttir", {"birth_date": BORN}), ("Gudrun Thorsdottir", {"birth_date": BORN})),
        (("Anna Ozolina", {"email": "ozolina@example.com"}), ("Ana Ozoliņa", {"email": "Ozolina@example.com"})),
        (("Anna Ozolina", {"phone": PHONE}), ("Ozolina Anna", {"phone": PHONE})),
        (("Elizabeth Grantham", {"birth_date": BORN}), ("Liz Grantham", {"birth_date": BORN})),
        (
            ("Anna Ozolina", {"birth_date": BORN, "phone": PHONE}),
            ("Anna Ozolina", {"birth_date": date(1984, 12, 3), "phone": PHONE}),
        ),
        (
            ("Anna Ozolina", {"address": "Brivibas iela 12-3", "postcode": "LV-1010"}),
            ("Anna Ozolina", {"address": "Brīvības iela 12 - 3", "postcode": "1010"}),
        ),
    ],
)
def test_one_person_is_found_however_it_is_written(one: tuple[str, Any], other: tuple[str, Any]) -> None:
    people = [make.customer(name, **fields) for name, fields in (one, other)]

    assert found() == pair_of(*people)


HOME = {"address": "Brivibas iela 12-3", "postcode": "LV-1010", "city": "Riga", "phone": PHONE}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Anna Ozolina", HOME), ("Marta Ozolina", HOME)),
        (("Anna Ozolina", HOME | {"email": "us@example.com"}), ("Marta Ozolina", HOME | {"email": "us@example.com"})),
        (("Anna Ozolina", HOME | {"birth_date": BORN}), ("Marta Ozolina", HOME | {"birth_date": BORN})),
        (("Anna Ozolina", {"birth_date": BORN}), ("Anna Ozolina", {"birth_date": date(1961, 7, 30)})),
        (("Anna Ozolina", {"birth_date": BORN}), ("Janis Kalnins", {"birth_date": BORN})),
        (("", {"city": "Riga"}), ("", {"city": "Riga"})),
        (("", {"phone": ""}), ("", {"email": ""})),
    ],
)
def test_people_who_share_much_are_two(one: tuple[str, Any], other: tuple[str, Any]) -> None:
    for name, fields in (one, other):
        make.customer(name, **fields)

    assert found() == set()


def a_record(key: int = 1, **fields: Any) -> Record:
    empty = {"email": "", "phone": "", "birth_date": None, "gender": "", "address": "", "postcode": "", "city": ""}
    return Record(id=key, **{"first": ("anna",), "last": ("ozolina",), **empty, "household": None, **fields})


def test_a_rare_surname_says_more_than_a_common_one() -> None:
    one, other = a_record(1, postcode="1010"), a_record(2, postcode="1010")

    scores = [
        compare(one, other, shares={("last_name", "ozolina"): share}).score(Expected(), 100_000)
        for share in (0.00001, 0.0001, 0.01)
    ]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[2] > 0.2


def test_what_is_unknown_says_nothing() -> None:
    known = compare(a_record(1, phone="1234567"), a_record(2, phone="1234567"), shares={})
    more = compare(a_record(1, phone="1234567", gender="female"), a_record(2, phone="1234567"), shares={})

    assert known.logs == more.logs
    assert "gender" not in more.evidence(Expected(), 1_000)["fields"]  # type: ignore[operator]


def test_evidence_says_of_each_field_what_it_is() -> None:
    one = make.customer("Anna Ozolina", phone=PHONE, birth_date=BORN, city="Riga", gender="female")
    other = make.customer("Anna Ozolinja", phone=PHONE, birth_date=BORN + timedelta(days=1), city="Liepaja")

    assert found() == pair_of(one, other)

    pair = DuplicatePair.objects.get()
    assert {name: level for name, (level, _bits) in pair.evidence["fields"].items()} == {
        "first_name": "same",
        "last_name": "near",
        "birth_date": "near",
        "phone": "same",
        "city": "different",
    }
    assert pair.evidence["swapped"] is False
    assert 0.9 < pair.score <= 1


def test_a_phone_that_everybody_has_costs_little_and_hides_nobody() -> None:
    crowd = [make.customer(f"Person{n} Number{n}", phone=PHONE) for n in range(MOST_BEARERS + 30)]
    double = make.customer("Person7 Number7", phone=PHONE, birth_date=BORN)

    counted = find_duplicates(now=NOW)

    assert counted.looked_at == len(crowd) + 1
    assert counted.compared < len(crowd) * 2
    assert (crowd[7].pk, double.pk) in set(DuplicatePair.objects.values_list("first", "second"))


def test_only_what_is_new_or_changed_is_compared_again() -> None:
    one = make.customer("Anna Ozolina", phone=PHONE)
    other = make.customer("Marta Kalnina", phone="+371 2099 9999")
    assert find_duplicates(now=NOW).looked_at == 2
    assert find_duplicates(now=NOW) == find_duplicates(now=NOW)
    assert find_duplicates(now=NOW).looked_at == 0

    customers.change_customer(customer=one, tags=["vip"])
    assert find_duplicates(now=NOW).looked_at == 0

    customers.change_customer(customer=other, first_name="Anna", last_name="Ozolina", phone=PHONE)
    counted = find_duplicates(now=NOW)
    assert (counted.looked_at, counted.likely) == (1, 1)
    assert set(DuplicatePair.objects.values_list("first", "second")) == pair_of(one, other)

    customers.change_customer(customer=other, first_name="Marta", last_name="Kalnina", phone="+371 2099 9999")
    assert find_duplicates(now=NOW).looked_at == 1
    assert not DuplicatePair.objects.exists()


def test_two_people_stay_two_until_they_look_more_alike() -> None:
    one = make.customer("Anna Ozolina", phone=PHONE, email="a@example.com")
    other = make.customer("Anna Ozolina", phone=PHONE)
    assert found() == pair_of(one, other)
    DuplicatePair.objects.update(status="different")

    find_duplicates(now=NOW, everybody=True)
    assert DuplicatePair.objects.get().status == "different"

    customers.change_customer(customer=other, city="Riga")
    assert found() == set()

    customers.change_customer(customer=other, email="a@example.com")
    assert found() == pair_of(one, other)


def test_whoever_was_parted_stays_parted_when_one_has_gone_up_in_a_third() -> None:
    one = make.customer("Anna Ozolina", phone=PHONE)
    other = make.customer("Anna Ozolina", phone=PHONE)
    DuplicatePair.objects.create(first=one, second=other, score=0.9, status="different")
    third = make.customer("Anna Ozolina", phone=PHONE)

    merging.merge_customers(survivor=third, merged=one, by=None, now=NOW)

    assert found() == set()


def test_merged_and_erased_records_are_not_compared() -> None:
    one = make.customer("Anna Ozolina", phone=PHONE)
    other = make.customer("Anna Ozolina", phone=PHONE)
    made = merging.merge_customers(survivor=one, merged=other, by=None, now=NOW)
    assert found() == set()

    merging.undo_merge(merge=made, by=None, now=NOW)
    assert found() == pair_of(one, other)

    Customer.objects.filter(pk=other.pk).update(erased_at=NOW)
    counted = find_duplicates(now=NOW, everybody=True)
    assert (counted.looked_at, counted.compared) == (1, 0)


def twice(**fields: Any) -> tuple[Customer, Customer]:
    return make.customer("Anna Ozolina", **fields), make.customer("Anna Ozolina", **fields)


def test_nothing_merges_by_itself_unless_an_administrator_turned_it_on() -> None:
    one, other = twice(email="a@example.com", birth_date=BORN)
    make.receipt(customer=other)
    find_duplicates(now=NOW)
    assert merge_by_rules(now=NOW) == []

    Shop.objects.create(auto_merge=["phone_name_birth", "gone_since"])
    assert merge_by_rules(now=NOW) == []

    Shop.objects.update(auto_merge=["phone_name_birth", "email_name_birth"])
    [made] = merge_by_rules(now=NOW)
    assert (made.survivor, made.merged, made.rule, made.made_by) == (other, one, "email_name_birth", None)
    assert merge_by_rules(now=NOW) == []


def test_a_rule_never_merges_again_what_somebody_took_apart() -> None:
    Shop.objects.create(auto_merge=["email_name_birth"])
    one, other = twice(email="a@example.com", birth_date=BORN)
    task()
    merging.undo_merge(merge=Merge.objects.get(), by=None, now=NOW)
    customers.change_customer(customer=one, city="Riga")
    DuplicatePair.objects.update(status="open")

    task()

    assert Merge.objects.count() == 1
    assert customers.live().count() == 2
    assert {one.pk, other.pk} == set(customers.live().values_list("pk", flat=True))


def test_three_records_of_one_person_are_merged_by_a_rule_one_after_the_other() -> None:
    Shop.objects.create(auto_merge=["email_name_birth"])
    twice(email="a@example.com", birth_date=BORN)
    twice(email="a@example.com", birth_date=BORN)

    task()
    task()

    assert customers.live().count() == 1


def test_the_command_tells_what_it_found() -> None:
    twice(phone=PHONE)
    out = StringIO()

    call_command("find_duplicates", "--json", stdout=out)

    assert json.loads(out.getvalue()) == {"customers": 2, "compared": 1, "likely": 1, "merged": 0}


@pytest.mark.parametrize(
    ("one", "other"), [("schmidt", "shmit"), ("ivanov", "iwanow"), ("yuri", "juri"), ("sofia", "sophia")]
)
def test_names_that_sound_alike_have_one_key(one: str, other: str) -> None:
    assert sound(one) == sound(other)


def test_keys_and_nicknames() -> None:
    assert same_nickname("sasha", "aleksandr")
    assert not same_nickname("anna", "marta")
    assert not same_nickname("qwerty", "asdf")
    assert set(keys_of(a_record(1, phone="123"))) & set(keys_of(a_record(2, first=("ozolina",), last=("anna",))))
    assert keys_of(a_record(1, first=(), last=())) == []
