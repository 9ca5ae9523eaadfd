"""The house rules that a machine can check."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parent.parent
APPS = ("crm", "segments", "personas", "campaigns")
OURS = (*APPS, "config", "tests", "benchmarks")
LONGEST_FILE, LONGEST_FUNCTION = 400, 60

# Instants and days whose name says it without the ending, with the reason.
NAMED_OTHERWISE = {
    "leased_until": "reads as what it is; the end of a lease, an instant",
    "not_before": "reads as what it is; the next try, an instant",
}

# Addresses of registries say where a machine of ours got its packages, not what the project needs.
REGISTRIES = re.compile(
    r"(?:\bregistry\.\w+\.(?:org|com)\b|\bfiles\.python\w+\.org\b|\bpy\w+\.org/simple|--index-url|--extra-index-url)"
)
MACHINE_PATHS = re.compile(r"(?<![\w.$}~/-])/(?:work|root|home/\w+|Users/\w+)/\w")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")


def tracked(*endings: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and (not endings or path.name.endswith(endings))]


def texts() -> Iterator[tuple[str, int, str]]:
    """Each line of each tracked text file, with where it is."""
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            yield str(path.relative_to(ROOT)), number, line


def our_code() -> list[Path]:
    return [
        path for path in tracked(".py") if path.relative_to(ROOT).parts[0] in OURS and "migrations" not in path.parts
    ]


def fields() -> Iterator[models.Field]:
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            yield from (field for field in model._meta.get_fields() if isinstance(field, models.Field))


def test_instants_end_in_at_and_days_in_on_or_date() -> None:
    wrong = []
    for field in fields():
        if field.name in NAMED_OTHERWISE:
            continue
        if isinstance(field, models.DateTimeField):
            right = field.name.endswith("_at")
        elif isinstance(field, models.DateField):
            right = field.name.endswith(("_on", "_date"))
        else:
            right = not field.name.endswith(("_at", "_on"))
        if not right:
            wrong.append(str(field))
    assert wrong == []


def test_money_is_a_plain_integer_called_minor() -> None:
    minor = [field for field in fields() if field.name.endswith("_minor")]
    assert minor
    assert [str(field) for field in minor if type(field) is not models.BigIntegerField] == []
    amounts = ("price", "total", "spend", "discount", "amount")
    counts = {"crm.Job.total"}  # how many rows a job has
    assert [str(field) for field in fields() if field.name in amounts and str(field) not in counts] == []


def test_every_relation_says_what_happens_on_deletion_and_every_model_has_a_name_for_people() -> None:
    silent = [
        model._meta.label
        for app in APPS
        for model in apps.get_app_config(app).get_models()
        if not model._meta.auto_created
        and str(model._meta.verbose_name) == model._meta.model_name
        and model._meta.original_attrs.get("verbose_name") is None
    ]
    assert silent == []


def test_no_file_names_a_registry_or_a_machine() -> None:
    here = str(Path(__file__).relative_to(ROOT))
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, number, line in texts()
        if name != here and (REGISTRIES.search(line) or MACHINE_PATHS.search(line))
    ]
    assert found == []


def test_nothing_is_marked_as_unfinished() -> None:
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, number, line in texts()
        if name.endswith((".py", ".html", ".css", ".js", ".sh", ".yaml")) and UNFINISHED.search(line)
    ]
    assert found == []


def test_files_are_short_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in our_code()
        if path.relative_to(ROOT).parts[0] != "tests" and (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_functions_are_short_enough_to_read() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": length
        for path in our_code()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_every_ignored_type_says_which_error_is_meant() -> None:
    bare = [
        f"{name}:{number}"
        for name, number, line in texts()
        if name.endswith(".py") and re.search(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)", line)
    ]
    assert [place for place in bare if not place.startswith("tests/test_conventions.py")] == []


@pytest.mark.parametrize("folder", [path.name for path in (ROOT / "templates").iterdir() if path.is_dir()])
def test_pages_run_no_inline_code(folder: str) -> None:
    """Under the strict policy it would not run; in the back office it must not either."""
    inline = re.compile(
        r"<script(?![^>]*\b(?:src|type=\"application/json\"))[^>]*>|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE
    )
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in (ROOT / "templates" / folder).rglob("*.html")
        for match in inline.finditer(path.read_text())
    ]
    assert found == []


def test_pages_say_nothing_that_cannot_be_translated() -> None:
    """Words between tags outside {% translate %}: a cheap look, which spares code, names of the product and numbers."""
    block = re.compile(
        r"{%\s*(?:blocktranslate|comment)\b.*?{%\s*end(?:blocktranslate|comment)\s*%}|{#.*?#}", re.DOTALL
    )
    hidden = re.compile(
        r"<(script|style|title)\b.*?</\1>|<!--.*?-->|<kbd>.*?</kbd>|<code>.*?</code>", re.DOTALL | re.IGNORECASE
    )
    said = re.compile(r">([^<>{}]*[A-Za-z]{3,}[^<>{}]*)<")
    product = {"Regulars", "MJML", "Liquid"}
    found = []
    for path in tracked(".html"):
        text = hidden.sub("", block.sub("", path.read_text()))
        text = re.sub(r"<span[^>]*material-symbols[^>]*>[^<]*</span>", "", text)
        text = re.sub(r"{%.*?%}|{{.*?}}", "", text, flags=re.DOTALL)
        words = [match.group(1).strip() for match in said.finditer(text)]
        found += [f"{path.relative_to(ROOT)}: {word[:60]}" for word in words if word not in product]
    assert found == []
