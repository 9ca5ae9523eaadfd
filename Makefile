# Two commands matter: `make run` and `make test`. The rest are their parts; README.md says more.
PYTHON ?= python3
BIN := .venv/bin
SCALE ?= small
TEST_SETTINGS := DJANGO_SETTINGS_MODULE=config.settings.test
# Throw-away values: they let Django check the production settings, and protect nothing.
PRODUCTION := DJANGO_SETTINGS_MODULE=config.settings.production REGULARS_SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(32))') \
	REGULARS_ADDRESS_HASH_KEY=for-this-check-only REGULARS_HOSTS=shop.example.com REGULARS_SITE_URL=https://shop.example.com \
	DATABASE_URL=postgresql://regulars@localhost/regulars REDIS_URL=redis://localhost/0 \
	REGULARS_SMTP_HOST=mail.example.com REGULARS_FROM_EMAIL=shop@example.com

.PHONY: run setup reset check test drill bench lock messages screenshots lint browser help

help:  ## What can be made
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST)

run: setup  ## The whole shop on this machine: servers, demo, web, workers, mail catcher
	@$(BIN)/python -m config.run

setup:  ## Install what running, testing and the demo need
	@$(PYTHON) config/bootstrap.py

reset: setup  ## Delete this data folder's shop; the next `make run` starts over
	@$(BIN)/python -m config.reset

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(TEST_SETTINGS) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

check: lint  ## The quick subset: lint, types, contracts, migrations, fast tests
	$(BIN)/pytest -q -m "not e2e and not drill and not slow"

browser: setup
	@$(BIN)/python -m tests.support.browser

test: lint browser  ## Everything, browser tests and small drills included
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/pytest -q

drill: setup  ## The fault drills and simulations in full
	REGULARS_DRILL=full $(BIN)/pytest -q -m drill

bench: setup  ## Benchmarks, one JSON object a line; SCALE=small or full
	@$(BIN)/python -m benchmarks.run --scale $(SCALE)

screenshots: setup browser  ## Pictures of the screens for README and a look
	$(BIN)/python -m tests.e2e.screenshots

messages: setup  ## Collect and compile the translations (needs GNU gettext)
	$(BIN)/python manage.py makemessages --all --ignore node_modules --ignore .venv --no-obsolete
	$(BIN)/python manage.py compilemessages --ignore node_modules --ignore .venv

UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header
lock: setup  ## Pin newer versions: requirements/*.txt and package-lock.json, without any registry's address
	$(UV_LOCK) --upgrade requirements/run.in -o requirements/run.txt
	$(UV_LOCK) --upgrade requirements/test.in -o requirements/test.txt
	$(UV_LOCK) --upgrade requirements/demo.in -o requirements/demo.txt
	@$(PYTHON) config/bootstrap.py --lock-npm
