"""Who may do what: a table, and every page of the back office must stand in it."""

import importlib
import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.support.people import PASSWORD, ROLES, person

pytestmark = pytest.mark.django_db

roles_migration = importlib.import_module("campaigns.migrations.0002_roles")

# What Marketing and Administrator may do with each model of the back office: view, add, change, delete.
# Shop staff never enter it. A new page has to be written down here.
BACK_OFFICE = {
    "campaigns.campaign": ("vacd", "vacd"),
    "personas.persona": ("v", "vac"),
    "segments.segment": ("vac", "vac"),
    "auth.user": ("", "vac"),
    "auth.group": ("", "v"),
    "crm.apitoken": ("", "vad"),
    "crm.category": ("v", "vacd"),
    "crm.company": ("v", "vacd"),
    "crm.consent": ("v", "va"),
    "crm.customer": ("v", "vac"),
    "crm.household": ("v", "vacd"),
    "crm.job": ("v", "v"),
    "crm.datarequest": ("vac", "vac"),
    "crm.duplicatepair": ("vc", "vc"),
    "crm.merge": ("v", "v"),
    "crm.auditentry": ("", "v"),
    "crm.loyaltycard": ("v", "vac"),
    "crm.loyaltyentry": ("v", "va"),
    "crm.loyaltyprogramme": ("v", "vac"),
    "crm.pointsrule": ("v", "vacd"),
    "crm.tier": ("v", "vacd"),
    "crm.product": ("v", "vacd"),
    "crm.receipt": ("v", "v"),
    "crm.shop": ("", "vac"),
    "crm.customfield": ("v", "vacd"),
    "crm.question": ("v", "vacd"),
    "crm.receiptmail": ("v", "v"),
    "crm.servicemail": ("", "v"),
    "crm.topic": ("v", "vacd"),
    "crm.signupform": ("v", "vacd"),
    "crm.consentwording": ("v", "va"),
    "crm.store": ("v", "vacd"),
    "crm.suppression": ("", "v"),
    "crm.upload": ("va", "va"),
}
ACTIONS = {"v": "view", "a": "add", "c": "change", "d": "delete"}

# What no role holds. Facts are never edited, what is derived from them follows by itself, jobs and memberships are made
# by the program, customers are erased rather than deleted, a persona's segment goes with it, accounts are switched off.
WITHHELD = {
    **dict.fromkeys(
        ("auth.permission", "crm.changemark", "crm.usualprice", "crm.mergemove", "crm.erasedidentity"), "vacd"
    ),
    **dict.fromkeys(("crm.receipt", "crm.receiptline", "crm.receiptvoid", "crm.suppression", "crm.auditentry"), "acd"),
    **dict.fromkeys(("crm.merge", "crm.tieraward", "crm.optin"), "acd"),
    **dict.fromkeys(("crm.loyaltyentry", "crm.consentwording"), "cd"),  # added by hand, then facts like the others
    **dict.fromkeys(("crm.datarequest", "crm.duplicatepair"), "ad"),
    **dict.fromkeys(("crm.note", "crm.loyaltyprogramme"), "d"),
    **dict.fromkeys(
        ("crm.customerprofile", "crm.customercategory", "crm.receiptmail", "crm.servicemail", "crm.job"), "acd"
    ),
    **dict.fromkeys(("crm.webvisit", "crm.review"), "cd"),
    "crm.answer": "cd",
    "crm.invoice": "d",  # books stay
    "crm.postcodeplace": "vacd",  # imported, and read by distances alone
    "crm.wishlistitem": "c",
    **dict.fromkeys(("segments.membership", "segments.membershipevent"), "acd"),
    **dict.fromkeys(("segments.segmentversion", "segments.outofstep"), "acd"),
    **dict.fromkeys(
        ("campaigns.redemption", "campaigns.campaignmove", "campaigns.link", "campaigns.trackedevent"), "acd"
    ),
    **dict.fromkeys(("crm.customer", "crm.loyaltycard", "crm.shop", "auth.user"), "d"),
    "auth.group": "acd",
    **dict.fromkeys(("personas.persona", "segments.segment"), "d"),  # put aside instead
    "crm.apitoken": "c",
    "crm.consent": "cd",
    "campaigns.delivery": "ad",
}


def permissions(role: str) -> set[str]:
    held = Permission.objects.filter(group__name=role).select_related("content_type")
    return {f"{permission.content_type.app_label}.{permission.codename}" for permission in held}


def test_shop_staff_hold_exactly_what_the_till_needs() -> None:
    assert permissions("Shop staff") == {"crm.ring_up_sale", "crm.lookup_customer", "crm.note_request"}


def test_marketing_reads_records_and_runs_segments_and_campaigns() -> None:
    held = permissions("Marketing")
    assert {"crm.view_customer", "segments.add_segment", "campaigns.launch_campaign", "personas.view_persona"} <= held
    changing = {name for name in held if name.partition(".")[2].startswith(("add_", "change_", "delete_"))}
    assert {name.partition(".")[0] for name in changing} == {"crm", "segments", "campaigns"}
    of_records = {name for name in changing if name.startswith("crm.")}
    assert of_records == {"crm.add_note", "crm.change_note", "crm.change_datarequest", "crm.change_duplicatepair"}
    assert not {name for name in held if name.startswith("auth.")}


def test_an_administrator_can_do_what_the_others_can_and_keep_accounts() -> None:
    held = permissions("Administrator")
    assert permissions("Shop staff") | permissions("Marketing") < held
    assert {"auth.add_user", "auth.change_user", "crm.change_shop", "personas.change_persona"} <= held


def test_every_permission_is_an_administrators_or_withheld_with_a_reason() -> None:
    ours = Permission.objects.filter(content_type__app_label__in=roles_migration.APPS).select_related("content_type")
    missing = {f"{p.content_type.app_label}.{p.codename}" for p in ours} - permissions("Administrator")
    assert missing == {
        f"{label.partition('.')[0]}.{ACTIONS[action]}_{label.partition('.')[2]}"
        for label, actions in WITHHELD.items()
        for action in actions
    }


@pytest.mark.parametrize(
    "model", ["receipt", "receiptline", "loyaltyentry", "consent", "customerprofile", "changemark"]
)
def test_no_role_can_edit_facts_or_what_is_derived_from_them(model: str) -> None:
    editing = {f"crm.{action}_{model}" for action in ("change", "delete")}
    assert editing.isdisjoint(permissions("Administrator"))


def test_making_the_roles_again_repairs_them_and_adds_nothing() -> None:
    before = {role: permissions(role) for role in ROLES}
    Group.objects.get(name="Marketing").permissions.add(Permission.objects.get(codename="add_user"))
    Group.objects.get(name="Shop staff").permissions.clear()
    with connection.schema_editor() as editor:
        roles_migration.make_roles(apps, editor)
    assert {role: permissions(role) for role in ROLES} == before
    assert Group.objects.count() == 3


def test_every_page_of_the_back_office_is_declared_here() -> None:
    assert {model._meta.label_lower for model in admin.site._registry} == set(BACK_OFFICE)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("label", BACK_OFFICE)
def test_the_back_office_opens_to_a_role_as_declared(role: str, label: str, client: Client) -> None:
    client.force_login(person(role))
    marketing, administrator = BACK_OFFICE[label]
    allowed = {"Shop staff": "", "Marketing": marketing, "Administrator": administrator}[role]
    name = f"admin:{label.replace('.', '_')}"
    pages = {"v": reverse(f"{name}_changelist"), "a": reverse(f"{name}_add")}
    answers = {action: client.get(page).status_code for action, page in pages.items()}
    refused = 302 if role == "Shop staff" else 403  # to the log-in of the back office
    leading_on = ("crm.shop", "crm.loyaltyprogramme", "crm.upload")  # where there is one way to go
    opened = 302 if label in leading_on else 200
    assert answers == {"v": opened if "v" in allowed else refused, "a": 200 if "a" in allowed else refused}
    request = client.get(reverse("start")).wsgi_request
    model_admin = admin.site._registry[apps.get_model(label)]
    may = {action: getattr(model_admin, f"has_{word}_permission")(request) for action, word in ACTIONS.items()}
    assert {action for action, yes in may.items() if yes} == set(allowed)


# Pages of the back office that need no permission: they show nothing, or only what their reader may see.
FOR_ALL_STAFF = {
    "index",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "jsi18n",
    "search",
    "view_on_site",
}


def back_office_pages() -> Iterator[tuple[str, str]]:
    """Every page under /admin/, ours too, by name and address; ids are of rows that need not exist."""
    for pattern in get_resolver("config.urls").url_patterns:
        if str(pattern.pattern) == "admin/":
            yield from _pages(pattern, "/admin/")


def _pages(parent: URLResolver | URLPattern, address: str) -> Iterator[tuple[str, str]]:
    for pattern in getattr(parent, "url_patterns", []):
        part = re.sub(r"<[^>]*>|\(\?P<[^>]*>.*?\)", "1", str(pattern.pattern)).replace("^", "").replace("$", "")
        if isinstance(pattern, URLResolver):
            yield from _pages(pattern, address + part)
        elif pattern.name:
            yield pattern.name, address + part


@pytest.mark.slow
def test_no_page_of_the_back_office_opens_to_shop_staff_whatever_its_address(client: Client) -> None:
    client.force_login(person("Shop staff"))
    pages = [(name, address) for name, address in back_office_pages() if name not in {"login", "logout", "jsi18n"}]
    assert len(pages) > 80
    opened = {
        f"{method} {address}"
        for _, address in pages
        for method in ("GET", "POST")
        if "/admin/login/" not in client.generic(method, address).headers.get("Location", "")
    }
    assert opened == set()


@pytest.mark.slow
def test_pages_of_the_back_office_ask_for_a_permission_of_their_own(client: Client) -> None:
    client.force_login(User.objects.create_user("newcomer", is_staff=True))
    opened = {
        f"{method} {address}"
        for name, address in back_office_pages()
        for method in ("GET", "POST")
        if name not in FOR_ALL_STAFF and client.generic(method, address).status_code < 300
    }
    assert opened == set()


@pytest.mark.parametrize(
    ("role", "place"), [("Shop staff", "/till/"), ("Marketing", "/admin/"), ("Administrator", "/admin/")]
)
def test_everybody_starts_where_their_work_is(role: str, place: str, client: Client) -> None:
    username = person(role).username
    answer = client.post(reverse("login"), {"username": username, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    start = client.get("/")
    assert (start.status_code, start["Location"]) == (302, place)


def test_an_account_without_a_role_is_told_so(client: Client) -> None:
    client.force_login(User.objects.create_user("nobody"))
    answer = client.get("/")
    assert answer.status_code == 403
    assert "not for your account" in answer.content.decode()


@pytest.fixture
def administrator(client: Client) -> User:
    user = person("Administrator")
    client.force_login(user)
    return user


def test_a_role_given_in_the_back_office_opens_it(administrator: User, client: Client) -> None:
    marketing = Group.objects.get(name="Marketing")
    form = {"username": "mia", "password1": PASSWORD, "password2": PASSWORD, "groups": [marketing.pk]}
    assert client.post(reverse("admin:auth_user_add"), form).status_code == 302
    mia = User.objects.get(username="mia")
    assert (mia.is_staff, mia.is_superuser, list(mia.groups.all())) == (True, False, [marketing])
    till = Group.objects.get(name="Shop staff")
    form = {"username": "mia", "is_active": "on", "groups": [till.pk]}
    assert client.post(reverse("admin:auth_user_change", args=[mia.pk]), form).status_code == 302
    mia.refresh_from_db()
    assert (mia.is_staff, list(mia.groups.all())) == (False, [till])


def test_an_administrator_cannot_make_anybody_a_superuser(administrator: User, client: Client) -> None:
    deletion = Permission.objects.get(codename="delete_user")
    form = {
        "username": administrator.username,
        "is_active": "on",
        "is_superuser": "on",
        "is_staff": "on",
        "user_permissions": [deletion.pk],
        "groups": [Group.objects.get(name="Administrator").pk],
    }
    assert client.post(reverse("admin:auth_user_change", args=[administrator.pk]), form).status_code == 302
    administrator.refresh_from_db()
    assert not administrator.is_superuser
    assert not administrator.user_permissions.exists()


@pytest.mark.parametrize("active", [True, False])
def test_an_administrator_cannot_take_over_a_superuser(administrator: User, client: Client, active: bool) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    root.is_active = active
    root.save()
    change = reverse("admin:auth_user_change", args=[root.pk])
    assert client.get(change).status_code == 200  # to look at
    assert client.post(change, {"username": "mine", "is_active": "on"}).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    assert client.post(password, {"password1": "x" * 12, "password2": "x" * 12}).status_code == 403
    root.refresh_from_db()
    assert root.username == "root"
    assert root.check_password(PASSWORD)


def test_an_administrator_cannot_hand_out_a_role_that_holds_more(administrator: User, client: Client) -> None:
    stronger = Group.objects.create(name="Deletes accounts")
    stronger.permissions.add(Permission.objects.get(codename="delete_user"))
    mia = person("Marketing", "mia")
    form = {"username": "mia", "is_active": "on", "groups": [stronger.pk]}
    answer = client.post(reverse("admin:auth_user_change", args=[mia.pk]), form)
    assert answer.status_code == 200
    assert "groups" in answer.context["adminform"].form.errors
    mia.groups.add(stronger)
    assert client.post(reverse("admin:auth_user_change", args=[mia.pk]), form).status_code == 403


def test_marketing_cannot_reach_accounts_by_address(client: Client) -> None:
    client.force_login(person("Marketing"))
    mia = person("Shop staff", "mia")
    for name, args in (("add", []), ("change", [mia.pk]), ("delete", [mia.pk])):
        assert client.get(reverse(f"admin:auth_user_{name}", args=args)).status_code == 403
    assert client.get(reverse("admin:auth_user_password_change", args=[mia.pk])).status_code == 403


def test_a_token_is_shown_once_and_kept_as_a_hash(administrator: User, client: Client) -> None:
    till = person("Shop staff")
    answer = client.post(reverse("admin:crm_apitoken_add"), {"name": "Online shop", "user": till.pk}, follow=True)
    messages = [str(message) for message in answer.context["messages"]]
    key = next(word for word in " ".join(messages).split() if word.startswith("rgl_"))
    from crm.models import ApiToken

    token = ApiToken.objects.get()
    assert (token.name, token.user, token.start, token.created_by) == ("Online shop", till, key[:8], administrator)
    assert key.encode() not in bytes(token.key_hash)
    assert key not in client.get(reverse("admin:crm_apitoken_changelist")).content.decode()


def test_a_token_cannot_act_as_somebody_stronger(administrator: User, client: Client) -> None:
    from crm.models import ApiToken

    root = User.objects.create_superuser("root")
    answer = client.post(reverse("admin:crm_apitoken_add"), {"name": "Mine", "user": root.pk})
    assert answer.status_code == 200
    assert "user" in answer.context["adminform"].form.errors
    assert not ApiToken.objects.exists()
