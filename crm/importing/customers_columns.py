"""The columns of a file of customers, each declared once: what it may hold and what others call it."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from crm import addresses, consents
from crm.importing import cells
from crm.importing.cells import BadCell, Parser, Text, text
from crm.importing.columns import Column
from crm.importing.customers_more import custom_columns, point_columns
from crm.models import Channel, Customer, Gender

MAYBE_DATE = "date"
MAYBE_NUMBER = "smallint"
MAYBE_TIME = "timestamptz"
MAYBE_YES = "boolean"
WORDS = "varchar[] NOT NULL DEFAULT '{}'"


def customer_columns(*, zone: ZoneInfo, now: datetime) -> tuple[Column, ...]:
    """Ours, and those of which they are made."""
    moment = cells.moment(zone, now)
    return (
        Column(
            "customer_id",
            text(100, required=True),
            required=True,
            label=_("customer number"),
            synonyms="customer no; customer number; customer; client id; client number; member id; member no; user id; "
            "contact id; person id; record id; reference id; square customer id; id; kundennummer; kunden-nr; kunde; kundennr; номер клиента; код клиента; клиент; "
            "ид клиента; id клиента; codice cliente; numero cliente; id cliente; cliente; asiakasnumero; asiakas; "
            "asiakastunnus; asiakas id; viðskiptamannanúmer; viðskiptavinur; númer viðskiptavinar; viðskiptanúmer; "
            "household key; klienta numurs; customer code; custid; cust id",
        ),
        *_person(),
        *_traits(now),
        *_place(),
        *point_columns(),
        *_household(),
        *_home(),
        *_tastes(moment),
        *_reach(),
        *_allowed(zone, now),
        *custom_columns(),
    )


def _of_model(name: str, limit: int, synonyms: str = "") -> Column:
    return Column(name, text(limit), label=_label(name), synonyms=synonyms)


def _words(name: str, synonyms: str = "") -> Column:
    return Column(name, cells.words(), WORDS, holds="words", label=_label(name), synonyms=synonyms)


def _label(name: str) -> str:
    return str(getattr(Customer._meta.get_field(name), "verbose_name", name))


def _person() -> tuple[Column, ...]:
    return (
        _of_model(
            "first_name",
            200,
            "given name; forename; first; firstname; vorname; rufname; имя; nome; nome di battesimo; etunimi; fornafn; "
            "eiginnafn; prénom; nombre; förnamn; vārds; billing first name; shipping first name; contact first name",
        ),
        _of_model(
            "last_name",
            200,
            "surname; family name; last; lastname; nachname; familienname; zuname; фамилия; cognome; sukunimi; "
            "eftirnafn; kenninafn; föðurnafn; nom de famille; apellido; apellidos; efternamn; uzvārds; "
            "billing last name; shipping last name; contact last name",
        ),
        Column(
            "full_name",
            text(400),
            label=_("full name"),
            help=_("First and last name in one cell: “Anna Ozola” or “Ozola, Anna”."),
            synonyms="name; customer name; client name; contact name; display name; kundenname; фио; ф.и.о.; "
            "полное имя; имя клиента; имя и фамилия; фамилия имя отчество; nome e cognome; nome completo; nominativo; "
            "nome cliente; koko nimi; nimi; asiakkaan nimi; fullt nafn; nafn; nafn viðskiptavinar; "
            "vor- und nachname; name des kunden; nom complet; nombre completo; billing name; shipping name",
            makes=("first_name", "last_name"),
            alone=True,
        ),
    )


def _traits(now: datetime) -> tuple[Column, ...]:
    return (
        Column(
            "birth_date",
            cells.day(now),
            MAYBE_DATE,
            holds="date",
            label=_("birth date"),
            synonyms="date of birth; birthday; birthdate; dob; born; born on; geburtsdatum; geburtstag; geb. datum; "
            "geb.; geboren am; дата рождения; день рождения; др; data di nascita; nascita; nato il; compleanno; "
            "syntymäaika; syntymäpäivä; fæðingardagur; fæðingardagsetning; afmæli; afmælisdagur; date de naissance; "
            "fecha de nacimiento; dzimšanas datums; födelsedatum",
        ),
        _of_model(
            "age_band",
            50,
            "age; age group; age range; altersgruppe; возраст; возрастная группа; fascia d'età; ikäryhmä; aldurshópur",
        ),
        Column(
            "gender",
            cells.choice(Gender.values),
            holds="gender",
            label=_("gender"),
            synonyms="sex; geschlecht; anrede; salutation; пол; sesso; genere; sukupuoli; kyn; sexe; sexo; kön; dzimums",
        ),
        _of_model(
            "language",
            10,
            "locale; lang; sprache; язык; lingua; kieli; asiointikieli; tungumál; langue; idioma; "
            "språk; valoda; preferred language",
        ),
    )


def _place() -> tuple[Column, ...]:
    return (
        _of_model(
            "address",
            500,
            "street; street address; address 1; address1; address line 1; street address 1; postal address; mailing address; straße; "
            "strasse; anschrift; adresse; адрес; улица; почтовый адрес; indirizzo; via; osoite; katuosoite; "
            "postiosoite; lähiosoite; heimilisfang; heimili; gata; rue; dirección; adress; adrese; "
            "default address address1; billing address 1; billing address1; shipping address1; address line1",
        ),
        _of_model(
            "city",
            200,
            "town; place; locality; ort; stadt; wohnort; город; населенный пункт; città; comune; località; kaupunki; "
            "postitoimipaikka; paikkakunta; staður; borg; bær; póststöð; sveitarfélag; ville; ciudad; stad; pilsēta; "
            "default address city; billing city; shipping city",
        ),
        _of_model(
            "region",
            200,
            "state; province; county; district; bundesland; kanton; регион; область; край; район; regione; provincia; "
            "maakunta; alue; lääni; landshluti; hérað; sýsla; région; default address province code; province code; "
            "billing state; billing province; shipping province; state province",
        ),
        _of_model(
            "country",
            100,
            "land; staat; страна; nazione; paese; stato; maa; land þjóð; þjóð; pays; país; valsts; country region; country code; "
            "default address country code; billing country; shipping country; nation; ländercode",
        ),
        _of_model(
            "postcode",
            20,
            "zip; zip code; zipcode; postal code; post code; plz; postleitzahl; индекс; почтовый индекс; cap; "
            "codice postale; postinumero; póstnúmer; póstnr; code postal; código postal; postnummer; pasta indekss; "
            "default address zip; billing zip; billing postcode; shipping zip; zip postal code",
        ),
    )


def _household() -> tuple[Column, ...]:
    return (
        _of_model(
            "income_band",
            50,
            "income; income group; household income; einkommen; доход; reddito; tulot; "
            "tuloluokka; tekjur; tekjubil; income desc",
        ),
        _of_model("social_group", 50, "socio-economic group; social class; social grade; социальная группа"),
        _of_model(
            "housing", 50, "homeowner; home ownership; homeowner desc; wohnform; жильё; abitazione; asuminen; húsnæði"
        ),
        _of_model("occupation", 200, "profession; beruf; профессия; professione; ammatti; starf; starfsgrein"),
        _of_model("work_pattern", 50, "employment; arbeitszeit; занятость; orario di lavoro; työaika; starfshlutfall"),
        _of_model(
            "job_title",
            200,
            "position; title at work; role; berufsbezeichnung; stelle; должность; mansione; "
            "qualifica; ruolo; tehtävänimike; titteli; asema; starfsheiti; staða",
        ),
        _of_model(
            "family_situation",
            100,
            "marital status; familienstand; семейное положение; stato civile; siviilisääty; "
            "perhetilanne; hjúskaparstaða; fjölskylduhagir; hh comp desc",
        ),
    )


def _home() -> tuple[Column, ...]:
    return (
        Column(
            "household_size",
            cells.whole(50),
            MAYBE_NUMBER,
            holds="whole",
            label=_("household size"),
            synonyms="persons in household; haushaltsgröße; haushaltsgrösse; размер семьи; человек в семье; "
            "componenti del nucleo; perheen koko; talouden koko; fjölskyldustærð; heimilisstærð; household size desc",
        ),
        Column(
            "children",
            cells.whole(30),
            MAYBE_NUMBER,
            holds="whole",
            label=_("children"),
            synonyms="kids; number of children; kinder; anzahl kinder; дети; количество детей; figli; numero di figli; "
            "lapset; lapsia; fjöldi barna; barnafjöldi; kid category desc",
        ),
        Column(
            "household_id",
            text(100),
            label=_("household number"),
            synonyms="household; household no; haushalt; haushaltsnummer; семья; номер семьи; nucleo familiare; "
            "famiglia; kotitalous; talous; heimilisnúmer; fjölskyldunúmer",
        ),
        Column(
            "company",
            text(200),
            label=_("company"),
            synonyms="company name; organisation; organization; employer; account name; business; firma; unternehmen; "
            "firmenname; компания; организация; фирма; azienda; società; ditta; ragione sociale; yritys; yhtiö; "
            "yrityksen nimi; organisaatio; fyrirtæki; félag; entreprise; société; empresa; uzņēmums; "
            "default address company; billing company; shipping company",
        ),
    )


def _tastes(moment: Parser) -> tuple[Column, ...]:
    return (
        _words("pets", "pet; haustiere; питомцы; домашние животные; animali; animali domestici; lemmikit; gæludýr"),
        _of_model("lifestyle", 200, "lebensstil; образ жизни; stile di vita; elämäntapa; lífsstíll"),
        _words(
            "interests",
            "interest; hobbies; interessen; hobbys; интересы; увлечения; interessi; kiinnostukset; "
            "kiinnostuksen kohteet; harrastukset; áhugamál",
        ),
        _words("opinions", "meinungen; мнения; opinioni; mielipiteet; skoðanir"),
        _words("values", "werte; ценности; valori; arvot; gildi"),
        _words(
            "tags",
            "tag; label; labels; group; groups; categories; segments; schlagworte; stichworte; etiketten; gruppe; gruppen; теги; группа; "
            "метки; группы; etichette; gruppo; gruppi; tunnisteet; avainsanat; ryhmä; ryhmät; merki; merkimiðar; flokkar; hópur; hópar",
        ),
        _of_model(
            "source",
            100,
            "lead source; origin; came through; how did you hear; herkunft; quelle; источник; "
            "откуда узнали; origine; fonte; provenienza; lähde; mistä kuulit; uppruni",
        ),
        _of_model("goal", 100, "came for; purpose of visit; ziel; цель; obiettivo; scopo; tavoite; markmið"),
        Column(
            "registered_at",
            moment,
            MAYBE_TIME,
            holds="time",
            label=_("registered"),
            synonyms="registered; registration date; created at; created; date created; customer since; member since; "
            "signed up; sign up date; joined; join date; kunde seit; registriert am; erstellt am; anmeldedatum; "
            "дата регистрации; клиент с; создан; дата создания; data di registrazione; iscritto il; data iscrizione; "
            "cliente dal; rekisteröity; rekisteröitymispäivä; asiakas alkaen; luotu; liittymispäivä; skráður; "
            "skráningardagur; skráð; stofnað; date registered; create date; created on; createdat",
        ),
        Column(
            "guardian_agreed_on",
            cells.any_day(),
            MAYBE_DATE,
            holds="date",
            label=_("guardian agreed on"),
            synonyms="guardian consent; parental consent; parent consent date; einwilligung der eltern; "
            "согласие родителей; consenso dei genitori; huoltajan suostumus; samþykki foreldris",
        ),
    )


def _reach() -> tuple[Column, ...]:
    return (
        Column(
            "email",
            address(320, addresses.clean_email),
            holds="email",
            label=_("e-mail"),
            synonyms="e-mail; mail; email address; e-mail address; mail address; e-mail-adresse; mailadresse; email 1; "
            "электронная почта; эл. почта; почта; имейл; е-мейл; адрес электронной почты; indirizzo email; "
            "posta elettronica; indirizzo e-mail; sähköposti; sähköpostiosoite; s-posti; meili; tölvupóstur; netfang; "
            "tölvupóstfang; courriel; adresse e-mail; correo electrónico; correo; e-post; epost; e-pasts; billing email; "
            "customer email; contact email; user email",
        ),
        Column(
            "phone",
            address(50, addresses.clean_phone),
            holds="phone",
            label=_("phone"),
            synonyms="telephone; phone number; tel; tel.; mobile; mobile phone; cell; cell phone; mobile number; "
            "telephone number; telefon; telefonnummer; handy; mobil; mobiltelefon; rufnummer; телефон; мобильный; "
            "мобильный телефон; номер телефона; тел; telefono; cellulare; numero di telefono; tel. cellulare; puhelin; "
            "puhelinnumero; matkapuhelin; kännykkä; gsm; sími; símanúmer; farsími; gsm sími; gsm númer; téléphone; "
            "teléfono; móvil; mobilnummer; tālrunis; default address phone; billing phone; shipping phone; phone 1",
        ),
    )


def _allowed(zone: ZoneInfo, now: datetime) -> tuple[Column, ...]:
    stated = cells.moment(zone, now, consents.MAX_AHEAD)
    return (
        Column(
            "preferred_channel",
            cells.choice(Channel.values),
            holds="channel",
            label=_("preferred channel"),
            synonyms="channel; contact by; preferred contact; bevorzugter kanal; kontaktweg; предпочитаемый канал; "
            "способ связи; canale preferito; contatto preferito; yhteydenottotapa; samskiptaleið",
        ),
        Column(
            "card_number",
            text(50),
            label=_("card number"),
            synonyms="card; card no; loyalty card; loyalty number; member card; club card; kundenkarte; kartennummer; "
            "kundenkartennummer; karte; карта; номер карты; карта лояльности; дисконтная карта; бонусная карта; carta; "
            "numero carta; tessera; numero tessera; carta fedeltà; kortti; korttinumero; kanta-asiakaskortti; "
            "kanta-asiakasnumero; kort; kortanúmer; vildarkort; vildarkortsnúmer; kartes numurs",
        ),
        *_consents(),
        Column(
            "consent_date",
            stated,
            MAYBE_TIME,
            holds="time",
            label=_("consent date"),
            synonyms="date of consent; consented at; opt-in date; optin time; opt in time; datum der einwilligung; "
            "einwilligung am; дата согласия; data consenso; data del consenso; suostumuspäivä; suostumuksen päivämäärä; "
            "samþykkisdagur; confirm time",
        ),
        Column(
            "consent_source",
            text(100),
            label=_("consent source"),
            synonyms="source of consent; opt-in source; quelle der einwilligung; источник согласия; fonte del consenso; "
            "suostumuksen lähde; uppruni samþykkis",
        ),
    )


def _consents() -> tuple[Column, ...]:
    synonyms = {
        Channel.EMAIL: "email consent; newsletter; newsletter consent; email opt-in; email opt in; opt-in email; "
        "marketing email; email marketing; accepts email marketing; accepts marketing; email marketing consent; email subscription status; "
        "einwilligung e-mail; newsletter abonniert; согласие email; согласие на рассылку; рассылка; подписка; "
        "consenso email; consenso newsletter; iscritto newsletter; uutiskirje; sähköpostilupa; sähköpostimarkkinointi; "
        "suostumus sähköposti; póstlisti; samþykki tölvupóstur; fréttabréf; subscribed",
        Channel.SMS: "sms consent; sms opt-in; sms marketing; accepts sms marketing; sms marketing consent; "
        "einwilligung sms; согласие sms; согласие смс; смс рассылка; consenso sms; tekstiviestilupa; sms-lupa; "
        "suostumus tekstiviesti; samþykki sms",
        Channel.PHONE: "phone consent; call consent; phone opt-in; telemarketing; einwilligung telefon; "
        "согласие телефон; согласие на звонки; consenso telefono; puhelinlupa; suostumus puhelin; samþykki sími",
        Channel.POST: "post consent; postal consent; letter consent; direct mail; einwilligung post; согласие почта; "
        "consenso posta; postilupa; suostumus posti; samþykki póstur",
    }
    return tuple(
        Column(
            f"consent_{channel}",
            cells.yes_no(),
            MAYBE_YES,
            holds="yes_no",
            label=_("may be written to: %(channel)s") % {"channel": channel.label},
            synonyms=synonyms[channel],
        )
        for channel in Channel
    )


def address(limit: int, clean: Callable[[str], str]) -> Parser:
    def check(value: str) -> None:
        try:
            clean(value)
        except ValidationError as error:
            raise BadCell(" ".join(error.messages)) from None

    return Text(limit, check=check)
