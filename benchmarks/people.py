"""Made-up customers with names as unevenly spread as real ones, in Latin and in Cyrillic letters."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

from crm.text import fold

_FIRST = {
    "latin": (
        "Maria Anna Jānis John Andris Laura Martin Marie Anita Thomas Peter Paul Marta Līga Ilze Jürgen Giovanni Sofia "
        "José Carmen Þórður Guðrún Matti Päivi Søren Łukasz Agnieszka Marco Alessandra Chloé François Zoë Björn Åsa "
        "Mārtiņš Inese Kristīne Edgars Aleksandrs Anastasija Andrea Antonio Ana Angelika Annika Anneli Marek Marcin "
        "Maija Mihails Mia Emma Liam Noah Olivia Ava Lucas Leon Elena Ilona Irina Iveta Ivars Ingus Inga "
        "Ieva Igor Isabella Anna-Maria Jean-Luc Karl-Heinz Maria-Teresa"
    ),
    "cyrillic": (
        "Анна Мария Иван Александр Сергей Елена Ольга Наталья Дмитрий Андрей Алексей Екатерина Татьяна Юлия Марина "
        "Михаил Николай Владимир Ирина Светлана Павел Максим Артём Ксения Вера Галина Григорий Денис Илья Кирилл "
        "Людмила Надежда Олег Роман Степан Фёдор Эдуард Юрий Яна Пётр"
    ),
}
_LAST = {
    "latin": (
        "Bērziņš Bērziņa Kalniņš Kalniņa Ozols Ozola Jansons Jansone Ozoliņš Krūmiņš Liepiņa Müller Schmidt Schneider "
        "Fischer Weber Meyer Rossi Russo Ferrari Esposito D'Angelo Dell'Acqua García González Rodríguez Fernández "
        "López Smith Johnson Williams Brown Jones Davis Anderson Andersson Andersen Mäkinen Virtanen Nieminen Korhonen "
        "Nowak Kowalski Wiśniewska Jónsson Guðmundsdóttir Þorsteinsson O'Brien Murphy Martin Bernard Dubois Thomas "
        "Martinez Marino Mancini Markovs Ivanovs Ivanova Petrovs Mäki Maier Mayer Anders Antonsson"
    ),
    "cyrillic": (
        "Иванов Иванова Смирнов Смирнова Кузнецов Кузнецова Попов Попова Васильев Васильева Петров Петрова Соколов "
        "Соколова Михайлов Михайлова Новиков Фёдоров Морозов Волков Алексеев Лебедев Семёнов Егоров Павлов Козлов "
        "Степанов Николаев Орлов Андреев Макаров Никитин Захаров Щербаков Шевченко Чайковский Юрьев Яковлев"
    ),
}
_SYLLABLES = {
    "latin": (
        "ka le mi ro sta ber gen han dor vil mar tin son ley wick ford lin den stro bra kle nau vor sil pa gri zu "
        "ne ho ja ter ran kov ski"
    ),
    "cyrillic": ("ка ле ми ро ста бер ген дор вил мар тин лин ден стро бра клё на вор сил па гри зу не хо ян тер ран"),
}
_ENDINGS = {
    "latin": "s son er e is ini sen berg mann ez ko",
    "cyrillic": "ов ова ин ина ский ская енко ев ева",
}
FIRST, LAST, SYLLABLES, ENDINGS = (
    {script: words.split() for script, words in each.items()} for each in (_FIRST, _LAST, _SYLLABLES, _ENDINGS)
)
COLUMNS = [
    "customer_id",
    "first_name",
    "last_name",
    "email",
    "phone",
    "postcode",
    "city",
    "country",
    "card_number",
    "birth_date",
    "gender",
    "tags",
]


def write(path: Path, count: int, *, seed: int = 7) -> None:
    """So many customers, as a file to import."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(people(count, seed=seed))


def people(count: int, *, seed: int = 7) -> Iterator[list[str]]:
    chance = random.Random(seed)
    for number in range(1, count + 1):
        script = "cyrillic" if chance.random() < 0.3 else "latin"
        first, last = _often(chance, FIRST[script]), _last(chance, script)
        if chance.random() < 0.08:
            first = f"{first} {_often(chance, FIRST[script])}"
        if chance.random() < 0.04:
            last = f"{last}-{_last(chance, script)}"
        mailbox = f"{fold(first).split()[0]}.{fold(last)}".replace("'", "").replace(" ", "")
        yield [
            f"C{number:07d}",
            first,
            last,
            f"{mailbox}{number % 1000}@example.{chance.choice(('com', 'lv', 'org'))}" if chance.random() < 0.8 else "",
            f"+371 2{chance.randrange(10_000_000):07d}" if chance.random() < 0.7 else "",
            f"LV-{1001 + int(3_000 * chance.random() ** 2)}",
            chance.choice(("Riga", "Daugavpils", "Liepāja", "Jelgava")),
            "LV",
            f"29{number:011d}" if chance.random() < 0.6 else "",
            f"{chance.randrange(1940, 2008)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}",
            chance.choice(("female", "male", "")),
            chance.choice(("", "", "vip", "club,vip")),
        ]


def slip(chance: random.Random, word: str, letters: str = "abcdefghijklmnoprstuvz") -> str:
    """The word with one letter wrong, missing, too much or swapped with the next."""
    at = chance.randrange(len(word))
    letter = chance.choice(letters)
    return chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        )
    )


def _often(chance: random.Random, words: list[str]) -> str:
    """The first ones far more often than the last ones."""
    return words[min(int(chance.paretovariate(0.6)) - 1, chance.randrange(len(words)))]


def _last(chance: random.Random, script: str) -> str:
    if chance.random() < 0.55:
        return _often(chance, LAST[script])
    stem = "".join(chance.choice(SYLLABLES[script]) for _ in range(chance.choice((2, 2, 3, 3, 4))))
    return (stem + chance.choice(ENDINGS[script])).capitalize()
