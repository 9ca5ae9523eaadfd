"""What keeps people out, and what a browser may do on our pages."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.http import HttpRequest
from django.templatetags.static import static
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from crm import client as request_client
from crm.models import Store
from tests.support.people import PASSWORD, person

ROOT = Path(settings.BASE_DIR)
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "REGULARS_SECRET_KEY": "k7" * 30 + "!Qw9",
    "REGULARS_ADDRESS_HASH_KEY": "h3" * 30,
    "REGULARS_HOSTS": "shop.example.com",
    "REGULARS_SITE_URL": "https://shop.example.com",
    "DATABASE_URL": "postgresql://regulars@127.0.0.1:1/regulars",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "REGULARS_SMTP_HOST": "mail.example.com",
    "REGULARS_FROM_EMAIL": "shop@example.com",
}


def manage(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    ours = ("REGULARS_", "DATABASE_", "REDIS_", "DJANGO_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def fresh(db: None) -> Client:
    return Client(enforce_csrf_checks=True)


def test_production_passes_djangos_deployment_checks() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", environment=PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_production_names_everything_that_is_missing_at_once() -> None:
    done = manage("check", environment={"DJANGO_SETTINGS_MODULE": "config.settings.production"})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert [name for name in PRODUCTION if name != "DJANGO_SETTINGS_MODULE" and name not in last] == []


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - {"DJANGO_SETTINGS_MODULE"}))
def test_production_starts_without_no_secret_or_address(name: str) -> None:
    done = manage("check", environment={**PRODUCTION, name: " "})
    assert done.returncode != 0
    assert f"Set the environment variable {name}." in done.stderr


@pytest.mark.parametrize("module", ["production", "local"])
def test_a_slash_at_the_end_of_the_shops_address_doubles_none_in_links(module: str, tmp_path: Path) -> None:
    environment = {
        **PRODUCTION,
        "DJANGO_SETTINGS_MODULE": f"config.settings.{module}",
        "REGULARS_SITE_URL": "https://shop.example.com/",
        "REGULARS_DATA": str(tmp_path),
    }
    code = "from django.conf import settings; from campaigns.tracking import unsubscribe_url as u; import uuid; "
    code += "print(settings.SITE_URL, u(token=uuid.UUID(int=7))[:29])"
    done = manage("shell", "--no-imports", "-c", code, environment=environment)
    assert done.stdout.strip() == "https://shop.example.com https://shop.example.com/m/u/", done.stderr


def test_production_refuses_a_typo_in_a_switch() -> None:
    done = manage("check", environment={**PRODUCTION, "REGULARS_SSL_REDIRECT": "maybe"})
    assert done.returncode != 0
    assert "REGULARS_SSL_REDIRECT='maybe' is neither yes nor no" in done.stderr


def directives(answer: object) -> dict[str, str]:
    header = answer["Content-Security-Policy"]  # type: ignore[index]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.django_db
def test_public_pages_allow_neither_inline_nor_evaluated_code(client: Client) -> None:
    assert directives(client.get(reverse("login"))) == {
        "default-src": "'self'",
        "img-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.django_db
def test_the_back_office_may_evaluate_code_but_not_run_inline_scripts(client: Client) -> None:
    client.force_login(person("Administrator"))
    policy = directives(client.get(reverse("admin:index")))
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["style-src"] == "'self' 'unsafe-inline'"
    assert policy["frame-ancestors"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == "'none'"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/login/", "/admin/login/", "/nowhere/"])
def test_every_answer_tells_the_browser_to_be_careful(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]


@pytest.mark.django_db
def test_a_page_of_a_logged_in_person_stays_in_no_cache(client: Client) -> None:
    client.force_login(User.objects.create_user("nobody"))
    assert "no-store" in client.get("/")["Cache-Control"]


def try_password(client: Client, page: str, username: str, password: str, address: str = "127.0.0.1") -> int:
    return client.post(page, {"username": username, "password": password}, REMOTE_ADDR=address).status_code


@pytest.mark.django_db
def test_the_back_office_has_no_log_in_of_its_own(client: Client) -> None:
    user = person("Administrator")
    asked = client.get("/admin/crm/customer/?q=anna", follow=True)
    assert (asked.status_code, asked.request["PATH_INFO"]) == (200, "/login/")
    form = {"username": user.username, "password": PASSWORD, "next": asked.context["next"]}
    assert client.post("/login/", form)["Location"] == "/admin/crm/customer/?q=anna"
    assert client.get("/admin/login/?next=/admin/crm/customer/")["Location"] == "/admin/"


@pytest.mark.django_db
def test_a_password_sent_to_the_back_office_directly_is_not_looked_at(client: Client) -> None:
    user = person("Administrator")
    answer = client.post("/admin/login/", {"username": user.username, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/admin/")
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
def test_whoever_may_not_enter_the_back_office_is_told_so_instead_of_asked_again(client: Client) -> None:
    client.force_login(person("Shop staff"))
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "not for your account" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/login/", "/admin/", "/till/", "/api/docs/"])
def test_a_page_names_its_icon_and_the_old_place_leads_to_one(client: Client, path: str) -> None:
    assert client.get("/favicon.ico")["Location"] == static("brand/mark.svg")
    client.force_login(User.objects.create_superuser("root"))
    Store.objects.create(code="1", name="Corner")
    page = client.get(path).content.decode()
    assert re.search(r'<link rel="(?:shortcut )?icon"[^>]*>', page)


@pytest.mark.django_db
def test_a_guesser_is_stopped_and_others_are_not(client: Client) -> None:
    user, page = person("Administrator"), "/login/"
    tries = [try_password(client, page, user.username, "wrong") for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert tries == [200] * (settings.AXES_FAILURE_LIMIT - 1) + [429]
    assert try_password(client, page, user.username, PASSWORD) == 429  # the right one does not help any more
    assert try_password(client, page, user.username, PASSWORD, "192.0.2.7") == 302
    other = person("Marketing")
    assert try_password(client, page, other.username, PASSWORD) == 302


@pytest.mark.django_db
def test_trying_one_password_on_many_accounts_is_stopped(client: Client, settings: Settings) -> None:
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 5
    user = person("Marketing")
    assert [try_password(client, "/login/", f"name{number}", "wrong") for number in range(5)] == [200] * 5
    assert try_password(client, "/login/", user.username, PASSWORD) == 429
    assert try_password(client, "/login/", user.username, PASSWORD, "192.0.2.7") == 302


@pytest.mark.django_db
def test_a_locked_out_person_reads_what_to_do(client: Client) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = client.post("/login/", {"username": "anna", "password": "wrong"})
    assert "Too many tries" in answer.content.decode()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
    ],
)
def test_only_our_own_proxies_are_believed(settings: Settings, proxies: int, forwarded: str, expected: str) -> None:
    settings.PROXIES = proxies
    request: HttpRequest = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert request_client.address(request) == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "seconds"), [("Shop staff", settings.TILL_SESSION_SECONDS), ("Marketing", settings.SESSION_COOKIE_AGE)]
)
def test_a_till_stays_logged_in_longer_than_the_back_office(client: Client, role: str, seconds: int) -> None:
    client.post("/login/", {"username": person(role).username, "password": PASSWORD})
    assert client.session.get_expiry_age() == seconds


def test_a_form_without_its_token_is_refused_in_plain_words(fresh: Client) -> None:
    answer = fresh.post("/login/", {"username": "anna", "password": "x"})
    assert answer.status_code == 403
    assert "open for too long" in answer.content.decode()


@pytest.mark.django_db
def test_a_browser_in_another_language_gets_one_language_not_two(client: Client) -> None:
    page = client.get("/login/", headers={"Accept-Language": "de,fi;q=0.9,ru;q=0.8"})
    text = page.content.decode()
    assert page["Content-Language"] in {code for code, _ in settings.LANGUAGES}
    assert ("Log in" in text) == ("Password" in text)


def test_logging_out_takes_a_post(client: Client) -> None:
    assert client.get(reverse("logout")).status_code == 405


@pytest.mark.django_db
def test_a_log_in_never_leads_to_another_site(client: Client) -> None:
    user = person("Marketing")
    form = {"username": user.username, "password": PASSWORD, "next": "https://evil.example.com/"}
    assert client.post("/login/", form)["Location"] == "/"


@pytest.mark.parametrize(("length", "status"), [(21 * 1024 * 1024, 413), ("many", 413), ("²", 413), ("9" * 5000, 413)])
def test_a_body_that_is_too_large_is_refused_unread(client: Client, length: object, status: int) -> None:
    answer = client.generic("POST", "/login/", b"", CONTENT_LENGTH=str(length))
    assert answer.status_code == status
    assert "at most 20 MB" in answer.content.decode()


@pytest.mark.django_db
def test_health_needs_no_host_name_and_asks_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.get("/healthz", HTTP_HOST="10.1.2.3")
    assert (answer.status_code, answer.content) == (200, b"ok\n")

    def unreachable() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connection, "cursor", unreachable)
    assert client.get("/healthz").status_code == 503


@pytest.mark.django_db
def test_a_broken_page_shows_a_friendly_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("django.contrib.auth.views.LoginView.get_context_data", broken)
    answer = Client(raise_request_exception=False).get("/login/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()


@pytest.mark.django_db
def test_an_unknown_address_shows_a_friendly_page(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
