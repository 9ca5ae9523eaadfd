"""What the documents say is true: settings, links, log-ins, the files of the image."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from config.demo_users import DEMO_USERS
from tests.config.test_security import PRODUCTION

ROOT = Path(__file__).resolve().parent.parent.parent
OPERATIONS = ROOT / "docs" / "operations.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_READ = re.compile(r"\benv\.(?:text|flag|number|words|time_zone|site_url)\(\s*\"([A-Z_]+)\"")
_READ_BY_TESTS = re.compile(r"os\.environ\.get\(\"(REGULARS_[A-Z_]+)\"")
_IN_SCRIPT = re.compile(r"\$\{([A-Z_]+)[:}]")
_ROW = re.compile(r"^\| `([A-Z_]+)` \| (yes)?", re.MULTILINE)


def documented() -> dict[str, bool]:
    return {name: needed == "yes" for name, needed in _ROW.findall(OPERATIONS.read_text())}


def test_the_table_of_settings_is_what_the_program_reads() -> None:
    sources = [
        path for app in ("config", "crm", "segments", "personas", "campaigns") for path in (ROOT / app).rglob("*.py")
    ]
    read = {name for path in sources for name in _READ.findall(path.read_text())}
    read |= {name for path in (ROOT / "tests").rglob("*.py") for name in _READ_BY_TESTS.findall(path.read_text())}
    read |= set(_IN_SCRIPT.findall((ROOT / "docker" / "entrypoint.sh").read_text()))
    assert set(documented()) == read


def test_what_the_table_calls_needed_is_what_production_insists_on() -> None:
    assert {name for name, needed in documented().items() if needed} == set(PRODUCTION) - {"DJANGO_SETTINGS_MODULE"}


def test_the_example_of_the_environment_has_every_needed_setting_and_no_secret() -> None:
    lines = (ROOT / "docker" / "regulars.env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    by_compose = {"DATABASE_URL", "REDIS_URL"}
    assert {name for name, needed in documented().items() if needed} - by_compose <= set(given)
    assert set(given) - {"POSTGRES_PASSWORD"} <= set(documented())
    assert {name for name, value in given.items() if value} == {"REGULARS_SMTP_PORT"}


def test_compose_runs_every_part_and_takes_secrets_from_outside() -> None:
    text = (ROOT / "docker" / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    parts = {
        name: " ".join(service["command"]) for name, service in services.items() if service.get("image") == "regulars"
    }
    assert parts == {
        "web": "web",
        "worker-fast": "worker fast",
        "worker-bulk": "worker bulk",
        "worker-jobs": "worker jobs",
        "beat": "beat",
        "migrate": "migrate",
    }
    assert services["database"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    published = {port for service in services.values() for port in service.get("ports", [])}
    assert published == {"80:80", "443:443"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["worker"], "worker needs a queue: fast, bulk or jobs"), (["echo", "as it is"], "as it is")],
)
def test_the_entrypoint_knows_its_parts(arguments: list[str], says: str) -> None:
    done = subprocess.run([ROOT / "docker" / "entrypoint.sh", *arguments], capture_output=True, text=True)
    assert says in done.stdout + done.stderr


def test_the_entrypoint_stops_before_serving_where_settings_are_missing() -> None:
    environment = {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
    }
    done = subprocess.run(
        [ROOT / "docker" / "entrypoint.sh", "web"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "REGULARS_SECRET_KEY, REGULARS_ADDRESS_HASH_KEY" in done.stderr


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text().replace("]\n(", "]("))
        if not target.startswith(("http://", "https://")) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_readme_names_the_demos_log_ins() -> None:
    readme = (ROOT / "README.md").read_text()
    for user in DEMO_USERS:
        assert f"| `{user.username}` | `{user.password}` |" in readme
        assert f"{user.first_name}, {user.group.lower()}" in readme


def test_the_administrators_guide_names_the_columns_of_imports() -> None:
    from crm.importing.run import KINDS

    guide = (ROOT / "docs" / "guide" / "administrator.md").read_text()
    for kind in KINDS:
        assert f"| {kind} | " in guide
