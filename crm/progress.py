"""A progress bar on a terminal; nothing where there is none."""

from types import TracebackType
from typing import Self, TextIO

WIDTH = 30


class ProgressBar:
    """One line that is drawn over itself. Give it no stream, or one that is no terminal, and it keeps silent."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream and self._last:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def show(self, share: float, what: str) -> None:
        """Draw the bar at this share (0 to 1), with a word on what is going on."""
        if self._stream is None:
            return
        share = max(0.0, min(1.0, share))
        full = round(share * WIDTH)
        line = f"[{'█' * full}{'·' * (WIDTH - full)}] {share:4.0%} {what}"
        if line != self._last:
            self._stream.write(f"\r\x1b[K{line}")
            self._stream.flush()
            self._last = line
