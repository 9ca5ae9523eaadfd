"""What the demo shop has made of its records: segments, personas, the year's campaigns and one that is ready to go.

Everything is found again by its name, so a load that was cut short goes on where it stopped.
"""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.demo import past
from campaigns.demo.journey import Journey
from campaigns.models import Campaign, Variant
from config.demo_users import DEMO_USERS
from personas.domain import create_persona
from personas.models import Persona
from segments.domain import create_segment
from segments.models import Segment
from segments.refresh import refresh_all


def create(*, journey: Journey, now: datetime) -> None:
    """Create what is not there yet, and refresh every segment."""
    by = User.objects.filter(username=DEMO_USERS[1].username).first()
    with transaction.atomic():
        for name, description, rule in SEGMENTS:
            if not Segment.objects.filter(name=name).exists():
                create_segment(name=name, description=description, rule=_rule(rule), by=by)
        for fields, rule in PERSONAS:
            if not Persona.objects.filter(name=fields["name"]).exists():
                create_persona(persona=Persona(**fields), rule=_rule(rule), by=by)
        past.create_campaigns(journey=journey, by=by)
        _create_ready_campaign(by)
    refresh_all(now=now)


def _rule(node: dict[str, Any]) -> dict[str, Any]:
    return {"v": 1, "rule": node}


def _is(attribute: str, operator: str, value: Any, **filters: str) -> dict[str, Any]:
    condition: dict[str, Any] = {"attribute": attribute, "operator": operator, "value": value}
    return {**condition, "filters": filters} if filters else condition


COFFEE = "Coffee drinkers"

SEGMENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "Regulars",
        "They come again and again: the heart of the shop.",
        _is("lifecycle", "=", "regular"),
    ),
    (
        "Slipping away",
        "Used to come often, and have not been seen for a month.",
        {"and": [_is("receipts", ">=", 12), _is("days_since_purchase", ">=", 30)]},
    ),
    (
        "Big baskets this quarter",
        "Spent most in the last 90 days.",
        _is("spend", ">=", 1000, last="90 days"),
    ),
    (
        "Families with children",
        "Households where children live, as far as we know.",
        _is("children", ">=", 1),
    ),
    (
        COFFEE,
        "Bought coffee in the last 60 days and may be written to by e-mail.",
        {
            "and": [
                _is("bought", "is", True, category="Grocery > Coffee", last="60 days"),
                _is("consent_email", "is", True),
            ]
        },
    ),
    (
        "Not bought yet",
        "Asked about the shop or signed up, and have not bought.",
        _is("lifecycle", "in", ["prospect", "registered"]),
    ),
)

PERSONAS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    (
        {
            "name": "Full-house Hannah",
            "age": 38,
            "job": "Nurse, shifts",
            "home": "Partner, two or three children, a house of their own",
            "quote": "If it isn't on the table in half an hour, it isn't dinner.",
            "story": "Hannah shops for a full fridge on her day off and comes back twice for milk and bread. She plans "
            "around what the children will eat, and buys the big pack when it is really cheaper.",
            "goals": "Feed everybody without a second trip\nKeep the week's shop within the budget\nLess waste",
            "worries": "Prices that creep up\nRunning out on a school night",
            "values": "Family\nReliability",
            "decision_power": Persona.DecisionPower.DECIDES,
            "preferred_channel": "email",
            "key_message": "Dinners for five in thirty minutes, and the big packs that save.",
        },
        {"and": [_is("children", ">=", 1), _is("receipts", ">=", 12), _is("household_size", ">=", 3)]},
    ),
    (
        {
            "name": "Senior Sergei",
            "age": 68,
            "job": "Retired engineer",
            "home": "A couple, the children have left",
            "quote": "I like a shop where they know what I take.",
            "story": "Sergei comes on weekday mornings when it is quiet, reads the leaflet, and takes what he always "
            "takes. A letter with a coupon goes on the fridge door and comes along.",
            "goals": "Fresh food in small amounts\nA chat at the counter",
            "worries": "Small print\nProducts that disappear from the shelf",
            "values": "Trust\nThrift",
            "decision_power": Persona.DecisionPower.SHARES,
            "preferred_channel": "post",
            "key_message": "Your usual things, at your price, in the letter on the fridge.",
        },
        {"and": [_is("age", ">=", 60), _is("receipts", ">=", 1)]},
    ),
    (
        {
            "name": "Bargain Beatrice",
            "age": 31,
            "job": "Works in a call centre",
            "home": "Rents a flat",
            "quote": "Full price is for people who don't look.",
            "story": "Beatrice knows the shelf prices by heart. She builds the meal around what is reduced, and takes "
            "the card along because it pays.",
            "goals": "Get more for the same money\nTry new things when they are on offer",
            "worries": "Offers that run out before she comes\nTricks with pack sizes",
            "values": "Fairness\nCleverness",
            "decision_power": Persona.DecisionPower.DECIDES,
            "preferred_channel": "sms",
            "key_message": "This week's reductions on what you buy anyway, a day before the others.",
        },
        {"and": [_is("discount", ">=", 150, last="6 months"), _is("average_receipt", "<=", 35)]},
    ),
    (
        {
            "name": "Weekend-wine Marco",
            "age": 47,
            "job": "Runs a small office",
            "home": "A couple who like to have friends over",
            "quote": "Tell me what goes with it.",
            "story": "Marco cooks on Saturdays. He buys cheese at the counter and a bottle that somebody recommended, "
            "and is glad of a hint that saves him a second shop.",
            "goals": "A table that friends talk about\nOne stop for the whole evening",
            "worries": "Choosing the wrong bottle\nQueues on Saturday",
            "values": "Taste\nHospitality",
            "decision_power": Persona.DecisionPower.DECIDES,
            "preferred_channel": "email",
            "key_message": "Three bottles and the cheese that goes with each, for this Saturday.",
        },
        {
            "or": [
                _is("spend", ">=", 40, category="Grocery > Domestic wine", last="12 months"),
                _is("spend", ">=", 40, category="Grocery > Imported wine", last="12 months"),
            ]
        },
    ),
)

READY = "Coffee week"


def _create_ready_campaign(by: User | None) -> None:
    """An e-mail in two languages that wants only to be launched."""
    if Campaign.objects.filter(name=READY).exists():
        return
    campaign = Campaign.objects.create(name=READY, attribution_days=14, created_by=by)
    campaign.segments.add(Segment.objects.get(name=COFFEE))
    Variant.objects.create(
        campaign=campaign,
        sender_name="Riverton Market",
        subject='{{ customer.first_name | default: "Hello" }}, this week the coffee is on us',
        preheader="Buy any bag, and the second one is half the price until Sunday.",
        heading='Good morning, {{ customer.first_name | default: "neighbour" }}',
        body="All this week: buy a bag of coffee, any coffee, and the second one is half the price. "
        "Just show your card at the till.\n\n"
        'Last time you took {{ last_purchase.product | default: "something good" }} home. '
        "We have kept some for you.\n\n"
        "You have {{ customer.points }} points on your card.",
        button_label="See the coffees",
        button_url="https://shop.example.com/coffee",
    )
    Variant.objects.create(
        campaign=campaign,
        language="ru",
        sender_name="Riverton Market",
        subject='{{ customer.first_name | default: "Здравствуйте" }}, неделя кофе началась',
        preheader="Вторая пачка любого кофе — за полцены до воскресенья.",
        heading='Доброе утро, {{ customer.first_name | default: "сосед" }}!',
        body="Всю неделю: купите пачку любого кофе, и вторая обойдётся в половину цены. Просто покажите карту на кассе."
        "\n\nНа вашей карте {{ customer.points }} баллов.",
        button_label="Посмотреть кофе",
        button_url="https://shop.example.com/coffee",
    )
