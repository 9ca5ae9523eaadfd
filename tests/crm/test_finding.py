"""What customers are found by, in which order, and that what they are found by follows their records."""

import random
import unicodedata
from typing import Any

import pytest
from anyascii import anyascii
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from crm import customers, finding
from crm.models import Customer, CustomerName, LoyaltyCard, NameWord
from crm.text import _collator, collation_key, fold, name_words, postcode_keys, typed_words
from tests.crm import make

pytestmark = pytest.mark.django_db


def names(text: str, limit: int = 10) -> list[str]:
    return [customer.full_name for customer in finding.search(text=text, limit=limit)]


def recounted() -> tuple[list[tuple[str, int]], list[str]]:
    """The words under which live customers have to be found, worked out anew."""
    keys: set[tuple[str, int]] = set()
    words: set[str] = set()
    for customer in customers.live():
        own = customer.name_words.split()
        words.update(own)
        keys.update((" ".join(own[at:] + own[:at])[:120].rstrip(), customer.pk) for at in range(len(own)))
    return sorted(keys), sorted(words)


def kept() -> tuple[list[tuple[str, int]], list[str]]:
    return (
        sorted(CustomerName.objects.values_list("key", "customer_id")),
        sorted(NameWord.objects.values_list("word", flat=True)),
    )


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("Jürgen Müller", ["mueller", "Müller", "muller jurgen", "Juergen Mueller", "mulller", "jürgn müllr"]),
        ("Hans Mueller", ["müller", "Muller"]),
        ("Þórður Guðmundsson", ["thordur", "Þórð", "Gudmundsson", "guðmundson", "gudmundson thor"]),
        ("Päivi Mäkinen", ["makinen", "Maekinen", "mäki", "paivi mak", "mäkkinen"]),
        ("Marco D'Angelo", ["dangelo", "d'angelo", "D’Angelo", "angelo", "d angelo", "angelo marco", "dangello"]),
        ("Maria Dell’Acqua", ["dell'acqua", "dellacqua", "acqua maria"]),
        ("Anna-Maria Ozola-Bērziņa", ["anna maria", "anna-maria", "annamaria", "berzina anna", "ozola-berzina"]),
        ("Anna Maria Silva", ["annamaria", "anna-maria", "silva maria"]),
        ("Maria del Carmen López García", ["maria lopez", "lopez maria", "garcia carmen", "mar gar", "carmn garcia"]),
        (
            "Пётр Чайковский",
            ["Чайковский", "chaykovskiy", "Tchaikovsky", "Tschaikowski", "петр чайк", "chaikovsky petr"],
        ),
        ("Юлия Щербакова", ["Юлия", "yulia", "julia", "Щербакова", "shcherbakova", "sherbakova"]),
        ("Ольга Соль", ["olga", "Ольга", "sol olga"]),
        ("Alexei Ivanov", ["Алексей Иванов", "aleksey", "Иванов"]),
        ("王 小明", ["小明", "xiaoming wang", "王"]),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, texts: list[str]) -> None:
    make.customer(name)
    make.customer("Zbigniew Q")

    assert {text: names(text) for text in texts} == {text: [name] for text in texts}


def test_whole_names_come_first_then_whole_words_then_beginnings_then_slips() -> None:
    for name in ("Anna Ozolaine", "Ann Ozola", "Anna Ozola Zarina", "Ozola Anna", "Anna Ozola"):
        make.customer(name)

    found = names("anna ozola")
    assert set(found[:2]) == {"Anna Ozola", "Ozola Anna"}
    assert found[2:] == ["Anna Ozola Zarina", "Anna Ozolaine"]
    assert names("ann") == ["Ann Ozola", *names("anna")]
    assert names("hanna ozola")[:2] in (found[:2], found[1::-1])


def test_a_common_beginning_answers_in_the_order_of_names() -> None:
    for name in ("Maria Zile", "Maria Abele", "Mara Ozola", "Ma Long", "Zoe Martin"):
        make.customer(name)

    assert names("ma", limit=4) == ["Ma Long", "Mara Ozola", "Maria Abele", "Maria Zile"]
    assert names("ma")[4:] == ["Zoe Martin"]


@pytest.mark.parametrize(
    "text",
    ["0147", "550147", "212 555", "+1 212 555 01", "(212) 555-0147", "555-0147", "1212555", "2125550174", "212555147"],
)
def test_a_phone_is_found_by_its_beginning_its_end_and_with_a_slip(text: str) -> None:
    make.customer("Anna Ozola", phone="+1 212 555 0147")
    make.customer("Liga Ozola", phone="+1 646 777 9999")

    assert names(text) == ["Anna Ozola"]


@pytest.mark.parametrize(
    "text",
    ["C-000123", "c-000123", "C-0001", "0123", "000123", "C-000132", "2900000000017", "29000000", "2900000000071"],
)
def test_numbers_of_customers_and_cards_are_found_by_their_beginning_their_end_and_with_a_slip(text: str) -> None:
    make.customer("Anna Ozola", number="C-000123", card="2900000000017")
    make.customer("Liga Ozola", number="D-777777", card="5900000000099")

    assert names(text) == ["Anna Ozola"]


@pytest.mark.parametrize("text", ["anna.ozola@exa", "Anna.Ozola", "anna.ozola@exmaple.com", "ana.ozola@example.com"])
def test_an_address_is_found_by_its_beginning_and_with_a_slip(text: str) -> None:
    make.customer("A Q", email="Anna.Ozola@Example.com")
    make.customer("L Q", email="liga@example.com")

    assert names(text) == ["A Q"]


@pytest.mark.parametrize(
    ("postcode", "texts"),
    [("LV-1010", ["LV-1010", "lv1010", "1010"]), ("SW1A 1AA", ["sw1a 1aa", "SW1A1AA", "sw1a"]), ("00-950", ["00-950"])],
)
def test_a_postcode_is_found_however_it_is_written(postcode: str, texts: list[str]) -> None:
    make.customer("Anna Ozola", postcode=postcode)
    make.customer("Liga Ozola", postcode="77777")

    assert {text: names(text) for text in texts} == {text: ["Anna Ozola"] for text in texts}


@pytest.mark.parametrize(
    "text", ["ozola 1010", "LV-1010 oz", "anna 0147", "anna 1010 0147", "anna@ ozola", "0147 ozola anna"]
)
def test_a_name_and_a_number_together_narrow(text: str) -> None:
    make.customer("Anna Ozola", postcode="LV-1010", phone="+371 20000147", email="anna@example.com")
    make.customer("Anna Kalnina", postcode="LV-2020", phone="+371 20000148")
    make.customer("Liga Berzina", postcode="LV-1010", phone="+371 20000149")

    assert names(text)[0] == "Anna Ozola"
    assert "Liga Berzina" not in names(text)


def test_many_words_and_hostile_text_break_nothing() -> None:
    make.customer("Anna Ozola", email="a_b%c@example.com")

    for text in (
        "a b c d e f g h i j k l m",
        "%ozola",
        "an_a",
        "' OR 1=1 --",
        "\\",
        "((((",
        "a@",
        "@",
        "ＡＮＮＡ",
        "🎉🎉",
        "٣٤٥٦",
    ):
        names(text)
    assert names("ＡＮＮＡ") == ["Anna Ozola"]
    assert names("a%b") == []


def test_what_customers_are_found_by_follows_their_records() -> None:
    anna = make.customer("Anna Ozola")
    liga = make.customer("Līga Ozola-Bērziņa")
    make.customer("Līga Zarina")
    assert kept() == recounted()

    customers.change_customer(customer=anna, last_name="Kalniņa")
    assert kept() == recounted()
    Customer.objects.filter(pk=liga.pk).update(merged_into=anna)
    assert kept() == recounted()
    assert names("berzina") == []
    Customer.objects.filter(pk=liga.pk).update(merged_into=None)
    assert names("berzina") == ["Līga Ozola-Bērziņa"]
    assert kept() == recounted()


def test_nothing_is_left_of_an_erased_name() -> None:
    unique = make.customer("Anna Zzyzxova")
    make.customer("Anna Ozola")
    Customer.objects.filter(pk=unique.pk).update(erased_at=make.NOW, first_name="", last_name="", name_words="")

    assert kept() == recounted()
    assert sorted(NameWord.objects.values_list("word", flat=True)) == ["anna", "ozola"]


def test_a_deleted_record_leaves_no_words() -> None:
    make.customer("Anna Ozola")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM crm_customerprofile; DELETE FROM crm_changemark; DELETE FROM crm_customer")

    assert kept() == ([], [])


@pytest.mark.parametrize("text", ["ma", "maria b", "ma bb", "0147", "maria.o"])
def test_a_common_beginning_reads_no_more_than_its_answer(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crm_customer (number, first_name, last_name, name_words, phone_key, email_key) "
            "SELECT 'N' || n, 'Maria', 'Ozola', 'maria ' || translate(n::text, '0123456789', 'abcdefghij'), "
            "'+3712' || n || '0147', 'maria.o' || n || '@e.com' "
            "FROM generate_series(10000, 50000) AS n"
        )
        cursor.execute("ANALYZE crm_customer, crm_customername")
        before = _rows_read(cursor)
        found = finding.search(text=text)
        read = _rows_read(cursor) - before

    assert len(found) == 10
    assert read < 8_000


def _rows_read(cursor: Any) -> int:
    cursor.execute(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables "
        "WHERE relname IN ('crm_customer', 'crm_customername', 'crm_nameword')"
    )
    return int(cursor.fetchone()[0])


def test_postcodes_and_words_as_they_are_kept() -> None:
    assert [postcode_keys(code)[0] for code in ("LV-1010", "lv 1010", "SW1A 1AA", "", "D-10115")] == [
        "1010",
        "lv1010",
        "sw1a1aa",
        "",
        "10115",
    ]
    assert name_words("Anna-Maria D'Angelo") == ("annamaria", "anna", "maria", "dangelo", "angelo")
    assert typed_words("Anna-Maria D’Angelo") == ["anna", "maria", "dangelo"]


@given(st.lists(st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_sort_key_put_together_from_words_is_that_of_the_whole(words: list[str]) -> None:
    value = " ".join(words)
    whole = b"".join(weight.to_bytes(2, "big") for weight in _collator().sort_key(value))

    assert collation_key(value) == whole[:500]


@given(st.text(st.characters(categories=("L", "M", "N", "P")), max_size=8))
def test_a_sort_key_put_together_from_characters_is_that_of_the_whole(word: str) -> None:
    whole = b"".join(weight.to_bytes(2, "big") for weight in _collator().sort_key(word))

    assert collation_key(word) == whole[:500]


@given(st.text())
def test_plain_text_is_folded_as_any_other(value: str) -> None:
    assert fold(value) == " ".join(anyascii(unicodedata.normalize("NFC", value)).casefold().split())


def test_every_single_slip_in_a_word_is_forgiven() -> None:
    make.customer("Anna Kalnberga")
    chance = random.Random(3)
    word = "kalnberga"
    slips = set()
    for at in range(len(word)):
        slips |= {word[:at] + word[at + 1 :], word[:at] + chance.choice("xqz") + word[at:]}
        slips |= {word[:at] + "x" + word[at + 1 :], word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]}

    assert {slip: names(slip) for slip in slips} == {slip: ["Anna Kalnberga"] for slip in slips}


def test_a_lost_card_is_not_found_by_its_beginning() -> None:
    make.customer("Anna Ozola", card="29000001")
    LoyaltyCard.objects.update(status=LoyaltyCard.Status.LOST)

    assert names("290000") == []


def test_a_large_change_that_renames_nobody_or_everybody_is_not_compared_row_against_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crm_customer (number, name_words) "
            "SELECT 'N' || n, 'maria x' || n FROM generate_series(1, 8000) AS n"
        )
        cursor.execute("SET LOCAL statement_timeout = '8s'")  # row against row: 64 million comparisons, several times
        cursor.execute("UPDATE crm_customer SET city = 'Riga'")
        cursor.execute("UPDATE crm_customer SET name_words = 'anna ' || substr(name_words, 7)")

    assert kept() == recounted()


def test_changing_many_customers_at_once_costs_no_more_where_the_session_has_changed_one_before() -> None:
    """Comparing each with every other would take minutes."""
    make.customer("Anna Ozola", city="Riga")
    Customer.objects.update(city="Rīga")  # the session has planned for one row now
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO crm_customer (number) SELECT 'N' || n FROM generate_series(1, 30000) AS n")
        cursor.execute("SET LOCAL statement_timeout = '20s'")

        Customer.objects.update(city="Jelgava")

    assert kept() == recounted()
