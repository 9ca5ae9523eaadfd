"""Complete Journey's shouted, shortened names, as a shop would write them."""

import re
from functools import cache

_WORDS = {
    "ahsd": "assorted",
    "bev": "beverage",
    "bkd": "baked",
    "bn": "beans",
    "brkfst": "breakfast",
    "btl": "bottle",
    "ckys": "cookies",
    "cleang": "cleaning",
    "clr": "colour",
    "cndy": "candy",
    "cntrl": "control",
    "coco": "cocoa",
    "conc": "concentrate",
    "cont": "contributions",
    "crkr": "crackers",
    "dnr": "dinner",
    "dnrs": "dinners",
    "drnk": "drink",
    "drnks": "drinks",
    "dsh": "dishes",
    "elect": "electrical",
    "fd": "food",
    "fem": "feminine",
    "flvrd": "flavoured",
    "frzn": "frozen",
    "gm": "general merchandise",
    "hbc": "health and beauty",
    "hygn": "hygiene",
    "jce": "juice",
    "mfg": "manufacturer",
    "misc": "miscellaneous",
    "mw": "microwave",
    "mx": "mix",
    "mxs": "mixes",
    "ndairy": "non-dairy",
    "pkg": "packaged",
    "pkgd": "packaged",
    "pckgd": "packaged",
    "pkld": "pickled",
    "pk": "pack",
    "pnt": "peanut",
    "prod": "produce",
    "pwdr": "powder",
    "refrgratd": "refrigerated",
    "rw": "random weight",
    "sald": "salad",
    "sft": "soft",
    "sgl": "single",
    "sndwch": "sandwich",
    "snks": "snacks",
    "sngl": "single",
    "splies": "supplies",
    "sply": "supplies",
    "sprd": "spread",
    "srv": "serve",
    "ss": "single-serve",
    "stk": "stick",
    "sup": "super",
    "supplemen": "supplement",
    "suppplies": "supplies",
    "dressng": "dressing",
    "drsng": "dressing",
    "sweetners": "sweeteners",
    "tiss": "tissue",
    "trsh": "trash",
    "btr": "butter",
    "bg": "bags",
    "veg": "vegetables",
    "whlsm": "wholesome",
    "whs": "warehouse",
    "wtr": "water",
}
_DEPARTMENTS = {
    "CHARITABLE CONT": "Charity",
    "CHEF SHOPPE": "Chef shop",
    "CNTRL/STORE SUP": "Store supplies",
    "DRUG GM": "Drugstore and household",
    "GM MERCH EXP": "General merchandise",
    "MEAT-PCKGD": "Packaged meat",
    "PROD-WHS SALES": "Produce by the case",
    "SEAFOOD-PCKGD": "Packaged seafood",
}
_CAPITALS = {"dvd": "DVD", "nz": "NZ", "usa": "USA", "bbq": "BBQ", "spf": "SPF", "l": "l", "ml": "ml"}
_UNITS = {
    "OZ": "oz",
    "LB": "lb",
    "CT": "count",
    "ML": "ml",
    "L": "l",
    "GAL": "gallon",
    "PT": "pint",
    "QT": "quart",
    "PK": "pack",
}


@cache
def sentence(words: str) -> str:
    """``FRZN NOVELTIES/WTR ICE`` as ``Frozen novelties/water ice``."""
    text = re.sub(r"\s*&\s*", " and ", words.lower()).replace("misc.", "misc")
    text = re.sub(r"\s*>\s*", " ", text)
    text = re.sub(r"\s*:\s*", ": ", text)
    if text.count("(") > text.count(")"):
        text = text[: text.rindex("(")]
    text = re.sub(r"[a-z]+", lambda match: _WORDS.get(match[0], _CAPITALS.get(match[0], match[0])), text)
    text = re.sub(r"\s+", " ", text).strip(" -/")
    return text[:1].upper() + text[1:]


@cache
def size(package: str) -> str:
    """``14.5 OZ`` as ``14.5 oz``."""
    return " ".join(_UNITS.get(word, word.lower()) for word in package.split())


@cache
def product_name(kind: str, package: str, sku: str, department: str) -> str:
    """A readable name from the product's kind and package; what has no kind is named by department and number."""
    if not kind:
        return f"{sentence(department)} {sku}"
    return ", ".join(part for part in (sentence(kind), size(package)) if part)


def category_path(department: str, category: str) -> str:
    """``GROCERY``, ``FRZN ICE`` as ``Grocery > Frozen ice``."""
    names = (_DEPARTMENTS.get(department) or sentence(department), sentence(category))
    return " > ".join(name for name in names if name)
