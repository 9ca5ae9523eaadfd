"""Names that people are called by, folded to Latin letters: who is Liz here may be Elizabeth there."""

_FAMILIES = (
    "elizabeth liz lizzie beth betty eliza elise elza lisa lise",
    "alexander aleksandr aleksandrs alex sasha alexandra aleksandra sandra sandy xander",
    "william will bill billy liam",
    "robert rob bob bobby bert",
    "richard rick dick richie",
    "margaret maggie meg peggy greta margarita rita margot",
    "katherine catherine katharina ekaterina katerina kate katie kathy cathy katja katya kati",
    "john jack johnny jon ivan vanya",
    "james jim jimmy jamie",
    "michael mikhail mike mick misha mihails michel",
    "nicholas nikolai nikolay nick klaus kolya",
    "joseph joe iosif sepp jozef",
    "thomas tom tommy",
    "anthony tony anton antons",
    "andrew andy drew andrey andrei andrejs",
    "christopher chris kit",
    "daniel dan danny daniil daniels",
    "david dave davey",
    "edward ed eddie ted eduard eduards",
    "patricia pat patty trish",
    "jennifer jen jenny",
    "susan sue susie susanna suzanne",
    "deborah debbie deb",
    "barbara barb babs",
    "maria mary masha marie mariya marija",
    "anna anya ann anne annie anja",
    "dmitry dmitrij dmitri dima dmitrijs",
    "sergey sergei sergejs seryozha",
    "vladimir vladimirs volodya vova",
    "evgeny evgenij evgenii zhenya evgeniya jevgenijs eugene gene",
    "tatiana tatyana tanya tatjana tania",
    "natalia natalya natasha natalija natalie",
    "olga olya",
    "irina ira irene",
    "elena lena helen helena jelena yelena ellen",
    "svetlana sveta",
    "pavel pasha paul pavels paulius",
    "peter petr pyotr petya pete peteris",
    "georg george yuri yury jurij georgy juris jurijs",
    "johannes hans johann johan janis jan jans hannes",
    "franz frank francis",
    "matthew matt matthias",
    "gregory greg grigory grisha",
    "samuel sam samantha",
    "benjamin ben",
    "frederick fred fritz friedrich",
    "charles charlie chuck karl carl karlis",
    "heinrich heinz henry harry henrik",
    "stephen steven steve stefan stepan",
    "gudrun gunna",
    "sigurdur siggi sigurd",
    "gudmundur gummi",
    "jon nonni",
)
_FAMILY: dict[str, set[int]] = {}
for _number, _family in enumerate(_FAMILIES):
    for _name in _family.split():
        _FAMILY.setdefault(_name, set()).add(_number)


def same_nickname(one: str, other: str) -> bool:
    """Whether the two can be names of one person."""
    return bool(_FAMILY.get(one, set()) & _FAMILY.get(other, set()))
