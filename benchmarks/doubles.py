"""Made-up customers of a shop in Riga, some of them twice: two scripts, slips, households, shared phones."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(word for line in lines for word in line.split())


FIRST = _words(
    "Anna Kristīne Līga Ilze Inese Laura Elīna Marta Jānis Andris Juris Edgars Mārtiņš Kārlis Pēteris Raimonds",
    "Анна Мария Екатерина Ольга Наталья Светлана Татьяна Юлия Сергей Александр Дмитрий Михаил Николай Евгений Игорь",
    "Guðrún Sigríður Kristín Margrét Þórdís Jón Sigurður Guðmundur Gunnar Ólafur Björn Þór",
)
LAST = _words(
    "Bērziņš Kalniņš Ozols Jansons Liepiņš Krūmiņš Balodis Eglītis Zariņš Pētersons Vītols Kļaviņš Rozītis Āboliņš",
    "Иванов Смирнов Кузнецов Попов Васильев Петров Соколов Михайлов Новиков Фёдоров Морозов Волков Алексеев Щербаков",
    "Jónsson Sigurðsson Guðmundsson Gunnarsson Ólafsson Þórsson Björnsdóttir Jónsdóttir Müller Weiß Žukauskas",
)
_CYRILLIC = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        _words("a b v g d e e zh z i j k l m n o p r s t u f kh ts ch sh sch _ y _ e yu ya"),
        strict=True,
    )
)
STREETS = _words("Brīvības Čaka Valdemāra Dzirnavu Elizabetes Stabu Matīsa Miera Tallinas Avotu Lāčplēša Skolas")
CITIES = {"Rīga": "LV-10", "Jūrmala": "LV-20", "Daugavpils": "LV-54", "Liepāja": "LV-34", "Valmiera": "LV-42"}
MAIL = ("inbox.lv", "gmail.com", "mail.ru", "apollo.lv", "simnet.is")
SHOP_PHONE = "+371 67 000 000"
_LETTERS = "abcdefghijklmnoprstuvz"


@dataclass(frozen=True)
class Double:
    """A record, and ``who`` it is: records of the same person bear the same."""

    number: str
    who: str
    fields: dict[str, Any]


def doubles(count: int, *, seed: int) -> Iterator[Double]:
    """So many records: about one in six is a second (or third) record of somebody, a third live with somebody else."""
    draw = random.Random(seed)
    made = who = 0
    while made < count:
        for fields in _home(draw):
            who += 1
            copies = 1 + (draw.random() < 0.15) + (draw.random() < 0.02)
            for copy in range(copies):
                made += 1
                as_told = _misremembered(fields, draw) if copy else fields
                yield Double(number=f"{who}-{copy}", who=str(who), fields=as_told)


def _home(draw: random.Random) -> list[dict[str, Any]]:
    """Those at one address: alone, or two to four with a surname, sometimes a phone and a mailbox, in common."""
    city = draw.choice(list(CITIES))
    home: dict[str, Any] = {
        "address": f"{draw.choice(STREETS)} iela {draw.randint(1, 180)}-{draw.randint(1, 90)}",
        "city": city,
        "postcode": f"{CITIES[city]}{draw.randint(10, 84)}",
        "country": "LV",
    }
    last, phone = _surname(draw), _phone(draw)
    size = draw.choice((1, 1, 1, 1, 2, 2, 3, 4))
    shared_mail = _mail(draw, draw.choice(FIRST), last) if size > 1 and draw.random() < 0.2 else ""
    found = []
    for first in draw.sample(FIRST, size):
        surname = last if draw.random() < 0.85 else _surname(draw)
        own_phone = phone if draw.random() < 0.4 else _phone(draw)
        found.append(
            home
            | {
                "first_name": first,
                "last_name": surname,
                "email": "" if draw.random() < 0.25 else shared_mail or _mail(draw, first, surname),
                "phone": SHOP_PHONE if draw.random() < 0.02 else "" if draw.random() < 0.2 else own_phone,
                "birth_date": None if draw.random() < 0.3 else date(1940, 1, 1) + timedelta(draw.randint(0, 24_000)),
            }
        )
    return found


def _surname(draw: random.Random) -> str:
    """Common ones, and (as in life) many that hardly anybody has."""
    if draw.random() < 0.5:
        return draw.choice(LAST)
    stem = "".join(draw.choice("bdgklmnprstvz") + draw.choice("aeiou") for _ in range(draw.randint(2, 4)))
    return (stem + draw.choice(("ņš", "ns", "sons", "skis", "va", "js"))).title()


def _phone(draw: random.Random) -> str:
    return f"+371 2{draw.randint(1_000_000, 9_999_999)}"


def _mail(draw: random.Random, first: str, last: str) -> str:
    """A mailbox is one person's or one household's: so many numbers that hardly two get the same."""
    return f"{latin(first)[:8]}.{latin(last)}{draw.randint(1, 9_999)}@{draw.choice(MAIL)}".lower()


def latin(text: str) -> str:
    """As somebody types it who has no such keyboard: by a table of their own, not by the one under test."""
    plain = "".join(_CYRILLIC.get(letter, letter) for letter in text.lower())
    for letters, other in (("āēīū", "aeiu"), ("čģķļņšž", "cgklnsz"), ("áéíóúýðþöüß", "aeiouydtous")):
        plain = plain.translate(str.maketrans(letters, other))
    return plain.replace("_", "").title()


def _misremembered(fields: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The same person at another counter: other script, slips, moved, another phone, something left out."""
    found = dict(fields)
    if draw.random() < 0.5:
        found |= {"first_name": latin(found["first_name"]), "last_name": latin(found["last_name"])}
    for name in ("first_name", "last_name"):
        if draw.random() < 0.15:
            found[name] = _slip(found[name], draw)
    if draw.random() < 0.03:
        found["first_name"], found["last_name"] = found["last_name"], found["first_name"]
    if draw.random() < 0.05:
        found["first_name"] = found["first_name"][0] + "."
    if found["birth_date"] and draw.random() < 0.06:
        found["birth_date"] += timedelta(days=draw.choice((1, 10, 365)))
    if draw.random() < 0.15:
        moved = _home(draw)[0]
        found |= {name: moved[name] for name in ("address", "city", "postcode")}
    for name, other in (("phone", _phone(draw)), ("email", _mail(draw, found["first_name"], found["last_name"]))):
        if draw.random() < 0.15:
            found[name] = other if draw.random() < 0.5 else ""
    if draw.random() < 0.15:
        found |= {"address": "", "postcode": ""}
    return found


def _slip(word: str, draw: random.Random) -> str:
    at = draw.randrange(len(word))
    return draw.choice(
        (
            word[:at] + draw.choice(_LETTERS) + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + draw.choice(_LETTERS) + word[at:],
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        )
    )
