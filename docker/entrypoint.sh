#!/bin/sh
# The parts of the shop, by name: web, worker fast, worker bulk, worker jobs, beat, migrate. Anything else is run as it is.
set -eu

case "${1:-web}" in
    web)
        # Unsafe settings stop the start here, with the reason, rather than being found out later.
        python manage.py check --deploy --fail-level WARNING
        exec gunicorn config.wsgi \
            --bind "0.0.0.0:${PORT:-8000}" \
            --workers "${REGULARS_WEB_WORKERS:-2}" --worker-class gthread --threads 4 \
            --worker-tmp-dir /dev/shm --no-control-socket --access-logfile -
        ;;
    worker)
        queue="${2:?worker needs a queue: fast, bulk or jobs}"
        exec celery -A config worker -Q "$queue" -n "$queue@%h" --pool solo --loglevel INFO --without-gossip --without-mingle
        ;;
    beat)
        exec celery -A config beat --loglevel INFO --pidfile= --schedule /tmp/beat-schedule
        ;;
    migrate)
        exec python manage.py migrate --noinput
        ;;
    *)
        exec "$@"
        ;;
esac
