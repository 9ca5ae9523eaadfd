"""The demo's four personas: made up, each with a rule that real households of the demo's data match."""

from typing import Any, Final

from crm.models import Channel
from personas.models import Persona


def _condition(attribute: str, operator: str, value: Any, **filters: str) -> dict[str, Any]:
    return {"attribute": attribute, "operator": operator, "value": value, **({"filters": filters} if filters else {})}


EMMA: Final = {
    "name": "Emma Brooks",
    "age": 33,
    "job": "Nurse, back at work part-time",
    "home": "Partner and two small children",
    "quote": "If I forget the diapers, nobody in this house sleeps.",
    "story": (
        "Emma shops on her way home from the early shift, with a toddler in the cart and a list on her phone. "
        "She knows by heart what a pack of diapers costs in three stores, and she will drive past two of them for "
        "the one where everything is in one place and the line is short.\n\n"
        "She decides what goes into the cart. Her partner carries it."
    ),
    "goals": "Get the week's shop done in half an hour\nHealthy food that children really eat\nNever run out of basics",
    "worries": (
        "Prices of diapers and formula\nIngredients she can't pronounce\nCoupons that expire before the pack is empty"
    ),
    "values": "Time together\nHonest labels\nShops that are kind to children",
    "decision_power": Persona.DecisionPower.DECIDES,
    "preferred_channel": Channel.EMAIL,
    "key_message": "Everything for the little ones in one trip, and the big packs cost less this week.",
}
WALTER: Final = {
    "name": "Walter Hayes",
    "age": 68,
    "job": "Retired machinist",
    "home": "Lives with his wife, children long moved out",
    "quote": "I read the flyer with a pencil. Everything else is noise.",
    "story": (
        "Walter comes on weekday mornings, when the store is quiet and the bread is warm. He and his wife plan the "
        "week around the flyer that comes by mail, and he remembers what things cost five years ago.\n\n"
        "He likes to be known by name at the counter, and he doesn't want an app."
    ),
    "goals": "Good food for two without waste\nKeep to the budget\nA chat at the counter",
    "worries": "Packs made for families of five\nOffers that need a smartphone\nHeavy bags",
    "values": "Thrift\nReliability\nBeing greeted",
    "decision_power": Persona.DecisionPower.SHARES,
    "preferred_channel": Channel.POST,
    "key_message": "Small packs at the price of large ones: clip this and bring it along.",
}
NINA: Final = {
    "name": "Nina Park",
    "age": 27,
    "job": "Junior architect",
    "home": "Rents a small flat around the corner",
    "quote": "My fridge is your shop. I just live upstairs.",
    "story": (
        "Nina never plans a meal. She walks in four times a fortnight or more, hungry, buys for tonight, and is out "
        "in five minutes. Her receipts are short, but there are many of them.\n\n"
        "She would try anything that is new, ready and not too heavy, if somebody told her before six o'clock."
    ),
    "goals": "Eat well with no effort\nTry something new\nBe out in five minutes",
    "worries": "Food that goes off\nLines at six o'clock\nPaying for more than she eats",
    "values": "Freshness\nSpontaneity\nLittle packaging",
    "decision_power": Persona.DecisionPower.DECIDES,
    "preferred_channel": Channel.SMS,
    "key_message": "Dinner for one is ready at five: come by, no line.",
}
CLAIRE: Final = {
    "name": "Claire Bennett",
    "age": 57,
    "job": "Runs a small accountancy",
    "home": "House with a long table, friends every other Saturday",
    "quote": "Tell me what is good this week, and I'll build the menu around it.",
    "story": (
        "Claire cooks for eight and enjoys every minute of it. She asks at the cheese counter what is ripe, takes "
        "the bottle that goes with it, and doesn't look at the total.\n\n"
        "She talks about where she found things. One good discovery brings three of her guests to the shop."
    ),
    "goals": "Serve something her friends haven't had\nAdvice from people who know\nAll of it in one place",
    "worries": "The one ingredient that is sold out\nAverage wine at a high price",
    "values": "Quality\nGenerosity\nCraft",
    "decision_power": Persona.DecisionPower.DECIDES,
    "preferred_channel": Channel.EMAIL,
    "key_message": "This Saturday's table: three ripe cheeses and the bottle that goes with each.",
}

PERSONAS: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    (
        EMMA,
        {
            "or": [
                _condition("receipts", ">=", 3, category="Drugstore and household > Diapers and disposables"),
                _condition("receipts", ">=", 3, category="Drugstore and household > Baby foods"),
                _condition("receipts", ">=", 3, category="Drugstore and household > Infant formula"),
            ]
        },
    ),
    (
        WALTER,
        {
            "and": [
                _condition("age_band", "in", ["55-64", "65+"]),
                _condition("household_size", "<=", 2),
            ]
        },
    ),
    (
        NINA,
        {
            "and": [
                _condition("average_receipt", "<=", 18),
                _condition("receipts", ">=", 52),
                {"not": _condition("age_band", "in", ["45-54", "55-64", "65+"])},
            ]
        },
    ),
    (
        CLAIRE,
        {
            "and": [
                _condition("receipts", ">=", 3, category="Grocery > Domestic wine"),
                _condition("receipts", ">=", 3, category="Deli > Cheeses"),
            ]
        },
    ),
]
"""What each is like, as fields of Persona, and the rule of who is like that (without its version)."""
