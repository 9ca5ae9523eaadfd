"""The columns of a file of receipts, each declared once: what it may hold and what others call it."""

from django.utils.translation import gettext_lazy as _

from crm.importing import cells
from crm.importing.cells import Parser, text
from crm.importing.columns import Column
from crm.importing.products import CATEGORY, PRICE, PRODUCT, SKU
from crm.models import SalesChannel


def receipt_columns(*, when: Parser) -> tuple[Column, ...]:
    """Ours, and those of which they are made. ``when`` reads the time of a sale."""
    return (*_head(when), *_whose(), *_line())


def _head(when: Parser) -> tuple[Column, ...]:
    return (
        Column(
            "receipt_id",
            text(100, required=True),
            required=True,
            label=_("receipt number"),
            synonyms="receipt; receipt no; invoice; invoice no; invoiceno; invoice number; invoice id; order; order id; "
            "order no; order number; order name; numéro de commande; número de pedido; transaction; transaction id; sale id; sale number; basket id; ticket; "
            "ticket no; bon; bonnummer; belegnummer; beleg; rechnungsnummer; rechnung; bestellnummer; bestellung; "
            "auftragsnummer; номер чека; чек; номер заказа; заказ; номер накладной; id заказа; numero scontrino; "
            "scontrino; numero ordine; ordine; fattura; numero fattura; kuittinumero; kuitti; tilausnumero; tilaus; "
            "laskunumero; kvittun; kvittunarnúmer; pöntunarnúmer; pöntun; reikningsnúmer; reikningur; commande; pedido; "
            "order key; čeka numurs",
        ),
        Column(
            "sold_at",
            when,
            "timestamptz NOT NULL",
            required=True,
            holds="time",
            label=_("sold"),
            synonyms="date; sale date; sales date; date of sale; order date; invoice date; invoicedate; "
            "transaction date; transaction timestamp; timestamp; datetime; date time; created at; created; purchase date; "
            "purchased at; completed at; paid at; date created; datum; verkaufsdatum; kaufdatum; bestelldatum; "
            "rechnungsdatum; belegdatum; verkauft am; дата; дата продажи; дата заказа; дата чека; дата и время; "
            "дата покупки; data; data vendita; data ordine; data e ora; data acquisto; data fattura; päivämäärä; pvm; "
            "myyntipäivä; ostopäivä; tilauspäivä; laskupäivä; dagsetning; dags; söludagur; pöntunardagur; "
            "sölutími; fecha; datums; order created",
        ),
        Column(
            "sold_time",
            text(20),
            label=_("time of day"),
            help=_("Where the time stands in a column of its own; it is added to the day."),
            synonyms="time; time of day; hour; transaction time; order time; sale time; uhrzeit; zeit; время; "
            "время продажи; ora; orario; kello; kellonaika; aika; tími; klukkan; heure; hora; laiks",
            makes=("sold_at",),
        ),
        Column(
            "store",
            text(100),
            label=_("store"),
            synonyms="shop; branch; outlet; location; store id; store code; store name; register; filiale; laden; "
            "geschäft; markt; магазин; филиал; торговая точка; точка; negozio; punto vendita; filiale negozio; myymälä; "
            "kauppa; toimipiste; verslun; búð; magasin; tienda; veikals; pos location; shop name",
        ),
        Column(
            "channel",
            cells.choice(SalesChannel.values),
            holds="sales_channel",
            label=_("channel"),
            synonyms="sales channel; source name; vertriebskanal; verkaufskanal; канал; канал продаж; canale; "
            "canale di vendita; myyntikanava; kanava; söluleið; order channel",
        ),
    )


def _whose() -> tuple[Column, ...]:
    return (
        Column(
            "customer_id",
            text(100),
            label=_("customer number"),
            synonyms="customer; customer no; customer number; customerid; client; client id; user id; member id; "
            "household key; kundennummer; kunden-nr; kunde; номер клиента; код клиента; клиент; покупатель; "
            "id клиента; codice cliente; numero cliente; cliente; id cliente; asiakasnumero; asiakas; asiakastunnus; "
            "viðskiptavinur; viðskiptamannanúmer; númer viðskiptavinar; customer code; custid; klients; email; "
            "customer email; user",
        ),
        Column(
            "card_number",
            text(50),
            label=_("card number"),
            synonyms="card; loyalty card; loyalty number; kundenkarte; kartennummer; номер карты; карта; "
            "бонусная карта; numero carta; tessera; carta fedeltà; korttinumero; kanta-asiakaskortti; kortanúmer; "
            "vildarkort",
        ),
        Column(
            "returns_receipt_id",
            text(100),
            label=_("takes back receipt"),
            synonyms="original receipt; original order; original invoice; refunded order; refund of; returned receipt; "
            "ursprungsbeleg; originalbeleg; исходный чек; scontrino originale; alkuperäinen kuitti; "
            "upphafleg kvittun; parent order",
        ),
        Column(
            "status",
            text(100),
            label=_("status"),
            help=_("Rows that it calls cancelled, returned or refunded are taken as returns."),
            synonyms="order status; state; bestellstatus; статус; статус заказа; stato; stato ordine; tila; "
            "tilauksen tila; staða; staða pöntunar; statuss; transaction type; cancelled",
            makes=("quantity",),
        ),
    )


def _line() -> tuple[Column, ...]:
    return (
        Column("sku", text(100, required=True), required=True, label=_("SKU"), synonyms=SKU + "; barcode; ean"),
        Column("product", text(300), label=_("product"), synonyms=PRODUCT),
        Column("category", cells.category(), label=_("category"), synonyms=CATEGORY),
        Column(
            "quantity",
            str,
            required=True,
            holds="number",
            label=_("quantity"),
            synonyms="qty; quantity refund; count; units; pieces; amount of items; lineitem quantity; item quantity; number of items; "
            "quantity sold; sales qty; menge; anzahl; stück; stückzahl; количество; кол-во; кол; шт; quantità; qta; "
            "q.tà; pezzi; määrä; kpl; lukumäärä; magn; fjöldi; stk; quantité; cantidad; daudzums",
        ),
        Column("unit_price", str, holds="number", label=_("unit price"), synonyms=PRICE),
        Column(
            "discount",
            str,
            holds="number",
            label=_("discount"),
            synonyms="line discount; lineitem discount; discount amount; rebate; rabatt; nachlass; скидка; "
            "сумма скидки; sconto; importo sconto; alennus; alennuksen määrä; afsláttur; remise; descuento; atlaide",
        ),
        Column(
            "line_total",
            str,
            holds="number",
            label=_("line total"),
            synonyms="total; line amount; order line total; lineitem total; amount; sales; sales value; revenue; subtotal; net amount; extended price; "
            "gesamt; gesamtpreis; summe; betrag; umsatz; zeilensumme; сумма; итого; стоимость; всего; totale; importo; "
            "totale riga; prezzo totale; summa; yhteensä; rivisumma; loppusumma; samtals; upphæð; línusamtala; "
            "montant; importe; item total; dollars",
        ),
    )
