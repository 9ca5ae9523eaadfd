"""`make reset`: delete the local shop's data folder, so that the next `make run` starts over."""

import shutil
import sys

from config.embedded import EmbeddedError, unused
from config.settings.base import DATA_DIR

# Only what we made ourselves goes: REGULARS_DATA may point at a folder that holds other things too.
OURS = ("beat", "demo-loaded", "demo-started", "keeper.log", "log", "mail", "media", "postgres", "programs")
OURS_TOO = ("postgres.new", "run.json", "run.lock", "secrets", "keeper.lock", "start.lock")


def main() -> None:
    if not DATA_DIR.exists():
        _say(f"There is nothing in {DATA_DIR}.")
        return
    try:
        with unused(DATA_DIR):
            for name in (*OURS, *OURS_TOO):
                path = DATA_DIR / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
    except EmbeddedError as error:
        sys.exit(f"{error} Stop it first (Ctrl-C where `make run` runs).")
    if not any(DATA_DIR.iterdir()):
        DATA_DIR.rmdir()
    _say(f"Deleted the shop in {DATA_DIR}.")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
