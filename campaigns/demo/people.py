"""Synthetic people for the published households: made from the household's number alone, so always the same.

Nobody here exists. Addresses are at example.com and example.org, phone numbers in the range kept for fiction.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.text import fold

MALE, FEMALE = "male", "female"


@dataclass(frozen=True)
class Names:
    """The names of one language: given names by gender, and family names as a man and as a woman bears them."""

    language: str
    weight: int
    given: dict[str, tuple[str, ...]]
    family: tuple[tuple[str, str], ...]


def _both(names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in names.split())


NAMES = (
    Names(
        "en",
        44,
        {
            MALE: (
                "James",
                "William",
                "Henry",
                "Thomas",
                "Daniel",
                "Samuel",
                "Noah",
                "Owen",
                "Marcus",
                "Calvin",
                "Leon",
                "Patrick",
                "Victor",
            ),
            FEMALE: (
                "Emma",
                "Grace",
                "Olivia",
                "Hannah",
                "Ruth",
                "Chloe",
                "Alice",
                "Naomi",
                "Joyce",
                "Megan",
                "Tessa",
                "Denise",
                "Harriet",
            ),
        },
        _both(
            "Carter Hughes Bennett Foster Coleman Walsh Porter Reed Sullivan Hayes Dixon Palmer Whitaker Brooks "
            "Morrison Abbott Langley Fletcher Osborne Kendrick"
        ),
    ),
    Names(
        "ru",
        18,
        {
            MALE: ("Иван", "Дмитрий", "Сергей", "Алексей", "Николай", "Павел", "Михаил", "Юрий"),
            FEMALE: ("Анна", "Ольга", "Елена", "Татьяна", "Мария", "Наталья", "Вера", "Ксения"),
        },
        (
            ("Иванов", "Иванова"),
            ("Смирнов", "Смирнова"),
            ("Кузнецов", "Кузнецова"),
            ("Попов", "Попова"),
            ("Волков", "Волкова"),
            ("Соколов", "Соколова"),
            ("Лебедев", "Лебедева"),
            ("Козлов", "Козлова"),
            ("Морозов", "Морозова"),
            ("Белов", "Белова"),
            ("Тарасов", "Тарасова"),
            ("Жуков", "Жукова"),
        ),
    ),
    Names(
        "it",
        15,
        {
            MALE: ("Marco", "Luca", "Giovanni", "Niccolò", "Paolo", "Andrea", "Matteo", "Davide"),
            FEMALE: ("Giulia", "Chiara", "Francesca", "Sofia", "Elisa", "Noemi", "Lucia", "Beatrice"),
        },
        _both("Rossi Bianchi Ferrari Esposito Ricci Marino Greco Conti Gallo Fontana D'Angelo Caputo"),
    ),
    Names(
        "fi",
        12,
        {
            MALE: ("Mikko", "Juhani", "Väinö", "Eero", "Antti", "Jari", "Onni", "Pekka"),
            FEMALE: ("Aino", "Helmi", "Päivi", "Kaisa", "Liisa", "Sanna", "Tuulikki", "Eeva"),
        },
        _both("Korhonen Virtanen Mäkinen Nieminen Hämäläinen Laine Heikkinen Koskinen Järvinen Lehtonen Töyrylä"),
    ),
    Names(
        "is",
        11,
        {
            MALE: ("Jón", "Þór", "Guðmundur", "Ólafur", "Björn", "Kristján", "Ragnar", "Ægir"),
            FEMALE: ("Guðrún", "Sigríður", "Björk", "Þóra", "Hildur", "Ásta", "Katrín", "Unnur"),
        },
        tuple(
            (f"{parent}son", f"{parent}dóttir")
            for parent in ("Jóns", "Þórs", "Ólafs", "Björns", "Ragnars", "Gunnars", "Einars", "Sveins", "Helga")
        ),
    ),
)

PLACES = (
    ("Riverton", "OH", "43001"),
    ("Maple Heights", "OH", "43014"),
    ("Fairmont", "OH", "43022"),
    ("Lakeside", "OH", "43031"),
    ("Ashford", "KY", "41003"),
    ("Stonebridge", "KY", "41017"),
    ("Millbrook", "IN", "47006"),
    ("Cedar Falls", "IN", "47021"),
    ("Northfield", "OH", "43040"),
    ("Harbor Point", "OH", "43055"),
)
_PLACE_WEIGHTS = (22, 16, 13, 11, 9, 8, 7, 6, 5, 3)
_AREA_CODES = tuple(str(code) for code in (216, 220, 234, 330, 380, 419, 440, 513, 567, 614, 740, 937, 502, 606, 859))
_AREA_CODES += ("219", "260", "317", "463", "574", "765", "812", "930", "270", "364", "304", "681", "412", "724", "814")

PROSPECT_SOURCES = ("website", "open day", "friend of a customer", "newsletter form")
PROSPECT_GOALS = ("weekly shopping", "organic food", "party catering", "home delivery")
INTERESTS = ("cooking", "baking", "gardening", "fitness", "wine", "pets", "children", "travel", "crafts", "coffee")
_AGE_BANDS = {"19-24": (19, 24), "25-34": (25, 34), "35-44": (35, 44), "45-54": (45, 54), "55-64": (55, 64)}


@dataclass(frozen=True)
class Person:
    first_name: str
    last_name: str
    gender: str
    language: str
    email: str
    phone: str
    city: str
    region: str
    postcode: str
    interests: str
    consents: dict[str, str]


def person(number: str, *, position: int) -> Person:
    """Who lives under this number. ``position`` (0, 1, 2...) keeps phone numbers apart."""
    chance = random.Random(f"regulars demo {number}")  # noqa: S311 - the same people every time, and no secret
    names = chance.choices(NAMES, weights=[names.weight for names in NAMES])[0]
    gender = chance.choices((FEMALE, MALE), weights=(56, 44))[0]
    first, family = chance.choice(names.given[gender]), chance.choice(names.family)[gender == FEMALE]
    city, region, postcode = chance.choices(PLACES, weights=_PLACE_WEIGHTS)[0]
    has_email = chance.random() < 0.93
    local_part = ".".join("".join(c for c in fold(name) if c.isalnum()) for name in (first, family))
    domain = chance.choice(("example.com", "example.org"))
    has_phone = chance.random() < 0.9
    area, last = _AREA_CODES[position // 100 % len(_AREA_CODES)], position % 100
    return Person(
        first_name=first,
        last_name=family,
        gender=gender,
        language=names.language,
        email=f"{local_part}.{number.lower()}@{domain}" if has_email else "",
        phone=f"+1 {area} 555 01{last:02d}" if has_phone else "",
        city=city,
        region=region,
        postcode=postcode,
        interests=";".join(chance.sample(INTERESTS, k=chance.choice((0, 0, 1, 2, 3)))),
        consents={
            "email": _answer(chance, 0.75, asked=has_email),
            "sms": _answer(chance, 0.35, asked=has_phone),
            "phone": _answer(chance, 0.15, asked=has_phone),
            "post": _answer(chance, 0.8, asked=True),
        },
    )


def _answer(chance: random.Random, yes: float, *, asked: bool) -> str:
    granted = chance.random() < yes
    return ("yes" if granted else "no") if asked else ""


def birth_date(number: str, age_band: str, *, today: datetime) -> str:
    """A synthetic day of birth within the published age band; "" where that is unknown."""
    if not age_band:
        return ""
    youngest, oldest = _AGE_BANDS.get(age_band, (65, 84))
    chance = random.Random(f"regulars demo born {number}")  # noqa: S311
    age_in_days = chance.uniform(youngest * 365.25 + 1, (oldest + 1) * 365.25 - 1)
    return (today - timedelta(days=age_in_days)).date().isoformat()


def joined(number: str, first_purchase: datetime) -> datetime:
    """When they joined: at their first purchase, or up to two years before."""
    chance = random.Random(f"regulars demo joined {number}")  # noqa: S311
    if chance.random() < 0.15:
        return first_purchase
    day = first_purchase - timedelta(days=chance.randint(1, 730))
    return day.replace(hour=chance.randint(9, 18), minute=chance.randint(0, 59), second=0)


def card_number(number: int) -> str:
    """An EAN-13 of the range that shops give out themselves, with its check digit."""
    return ean13(f"29{number:010d}")


def ean13(digits: str) -> str:
    """Twelve digits and the check digit that scanners verify."""
    weighted = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"
