"""Yes and no, women and men, and ways to reach somebody, in the languages in which shops keep their lists."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from crm.models import Channel, Gender, SalesChannel

_YES = (
    "yes y true t 1 on x ja j jawohl wahr да д истина верно sì si s vero kyllä k joo tosi já satt oui o vrai sí "
    "verdadero jā tak так taip jah sim verdadeiro ✓ ✔ + ok granted allowed subscribed opt-in optin opted-in accepted "
    "agreed erlaubt zugestimmt разрешено согласен согласна подписан подписана consentito iscritto sallittu annettu "
    "samþykkt leyft"
)
_NO = (
    "no n false f 0 off nein nej falsch нет н ложь неверно falso ei e epätosi nei ósatt non faux nē nie ні ne não "
    "✗ ✘ - – denied refused withdrawn unsubscribed opt-out optout opted-out declined rejected revoked widerrufen "
    "abgelehnt запрещено отказ отозвано отписан отписана negato revocato disiscritto kielletty peruttu hafnað "
    "afturkallað"
)
_GENDERS = {
    Gender.FEMALE: (
        "female f woman w weiblich frau fr fru mrs ms miss madam ж жен женский женщина г-жа femmina donna femminile "
        "signora sig.ra nainen naispuolinen rouva kona kvk kvenkyns kvinna k femme féminin mme mujer sieviete kobieta "
        "жінка girl"
    ),
    Gender.MALE: (
        "male m man männlich herr hr mr м муж мужской мужчина г-н maschio uomo maschile signor sig mies "
        "miespuolinen herra karl karlmaður kk karlkyns homme masculin hombre vīrietis mężczyzna чоловік boy"
    ),
    Gender.OTHER: (
        "other o d x divers diverse non-binary nonbinary nb другое другой иное altro muu muunsukupuolinen kynsegin "
        "annað annar annat autre otro cits inny інше"
    ),
}
_CHANNELS = {
    Channel.EMAIL: "email e-mail mail newsletter e-post epost почта эл.почта электронная_почта имейл posta "
    "posta_elettronica sähköposti tölvupóstur netfang correo courriel e-pasts",
    Channel.SMS: "sms text text_message смс tekstiviesti smáskilaboð textaskilaboð messaggio whatsapp",
    Channel.PHONE: "phone call telephone tel telefon anruf телефон звонок telefono chiamata puhelin soitto sími símtal "
    "telefons téléphone",
    Channel.POST: "post letter mail_post direct_mail brief письмо почтой lettera posta_cartacea kirje posti bréf póstur "
    "vēstule courrier",
}
_SALES_CHANNELS = {
    SalesChannel.TILL: "till pos store shop in-store instore offline counter retail laden kasse filiale ladengeschäft "
    "магазин касса negozio cassa punto_vendita myymälä kassa liike verslun búð kassi veikals",
    SalesChannel.ONLINE: "online web website webshop online_store e-commerce ecommerce internet app onlineshop сайт онлайн "
    "интернет интернет-магазин sito negozio_online verkkokauppa netti vefverslun vefur netverslun",
}


def _by_word(words: Mapping[Any, str]) -> dict[str, str]:
    return {word.replace("_", " "): str(value) for value, said in words.items() for word in [value, *said.split()]}


VOCABULARIES: dict[str, dict[str, str]] = {
    "yes_no": _by_word({"yes": _YES, "no": _NO}),
    "gender": _by_word(_GENDERS),
    "channel": _by_word(_CHANNELS),
    "sales_channel": _by_word(_SALES_CHANNELS),
}
"""What a column of this kind may say, folded, and what it means here."""


def meaning(vocabulary: str, cell: str) -> str | None:
    """What the word means here; None where it is none of the vocabulary."""
    return VOCABULARIES[vocabulary].get(" ".join(cell.split()).casefold().rstrip("."))


def word_reader(vocabulary: str, extra: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Turns a cell into the word that the parsers know; another one stays as it is. ``extra`` comes first."""
    more = {word.strip().casefold(): value for word, value in (extra or {}).items()}

    @lru_cache(10_000)
    def read(cell: str) -> str:
        folded = " ".join(cell.split()).casefold()
        if folded in more:
            return more[folded]
        return meaning(vocabulary, cell) or cell

    return read
