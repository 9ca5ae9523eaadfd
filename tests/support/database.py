"""A migrated database for each run in a fraction of a second: migrations run once, into a template.

What migrations leave in the tables (permissions, groups) is also kept in the schema `seed`, and `seed.reset()` puts it
back after a test that really commits. Django's own flush would lose it for the tests that follow.
"""

import fcntl
import hashlib
import os
import subprocess
import sys

import psycopg
from psycopg import sql

from tests.support.servers import DATA_DIR, ROOT, Servers

_APPS = ("crm", "segments", "personas", "campaigns")

_SEED = """
CREATE SCHEMA seed;
CREATE FUNCTION seed.fill() RETURNS void LANGUAGE plpgsql AS $$
DECLARE t text; filled bool;
BEGIN
    FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                AND NOT c.relispartition AND c.relname <> 'django_migrations' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', t) INTO filled;
        IF filled THEN EXECUTE format('CREATE TABLE seed.%I AS TABLE public.%I', t, t); END IF;
    END LOOP;
END $$;
CREATE FUNCTION seed.reset() RETURNS void LANGUAGE plpgsql SET lock_timeout = '20s' AS $$
DECLARE t text; columns text; filled bool; stale text[] := '{}';
BEGIN
    FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                AND NOT c.relispartition AND c.relname <> 'django_migrations' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', t) INTO filled;
        IF filled THEN stale := stale || format('public.%I', t); END IF;
    END LOOP;
    IF stale <> '{}' THEN EXECUTE 'TRUNCATE ' || array_to_string(stale, ', ') || ' CASCADE'; END IF;
    FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'seed'::regnamespace AND c.relkind = 'r' LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
            WHERE attrelid = format('public.%I', t)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
        EXECUTE format('INSERT INTO public.%I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM seed.%I',
                       t, columns, columns, t);
    END LOOP;
END $$;
SELECT seed.fill();
"""


def create(servers: Servers) -> None:
    """Make this run's database anew from the template, and the template where migrations have changed."""
    template = f"regulars_template_{_fingerprint()}"
    with open(DATA_DIR / "template.lock", "w") as lock, psycopg.connect(servers.admin_url, autocommit=True) as admin:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
            _make_template(servers, admin, template)
        _drop(admin, servers.database)
        admin.execute(_named("CREATE DATABASE {} TEMPLATE {}", servers.database, template))


def drop(servers: Servers) -> None:
    with psycopg.connect(servers.admin_url, autocommit=True) as admin:
        _drop(admin, servers.database)


def _fingerprint() -> str:
    files = [path for app in _APPS for path in (ROOT / app).rglob("*.py") if _shapes_the_database(path.parts)]
    files += [ROOT / "requirements" / "run.txt", ROOT / "config" / "settings" / "base.py", ROOT / __file__]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _shapes_the_database(parts: tuple[str, ...]) -> bool:
    return "migrations" in parts or parts[-1] in ("apps.py", "models.py", "roles.py") or "models" in parts


def _make_template(servers: Servers, admin: psycopg.Connection, template: str) -> None:
    old = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'regulars\\_template\\_%'").fetchall()
    for (name,) in old:
        _drop(admin, name)
    draft = template + "_new"
    admin.execute(_named("CREATE DATABASE {}", draft))
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"],
        env={**os.environ, "DATABASE_URL": servers.url(draft), "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"The migrations fail:\n{done.stdout}")
    with psycopg.connect(servers.url(draft), autocommit=True) as connection:
        connection.execute(_SEED)
    admin.execute(_named("ALTER DATABASE {} RENAME TO {}", draft, template))


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(_named("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _named(query: str, *names: str) -> sql.Composed:
    return sql.SQL(query).format(*map(sql.Identifier, names))
