from io import StringIO

from crm.progress import ProgressBar


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_over_itself_on_a_terminal_and_wiped_at_the_end() -> None:
    terminal = Terminal()
    with ProgressBar(terminal) as bar:
        bar.show(0.5, "reading")
        bar.show(0.5, "reading")
        bar.show(2.0, "merging")
    assert terminal.getvalue() == (
        f"\r\x1b[K[{'█' * 15}{'·' * 15}]  50% reading\r\x1b[K[{'█' * 30}] 100% merging\r\x1b[K"
    )


def test_what_is_no_terminal_stays_clean() -> None:
    stream = StringIO()
    with ProgressBar(stream) as bar:
        bar.show(0.5, "reading")
    with ProgressBar(None) as bar:
        bar.show(0.5, "reading")
    assert stream.getvalue() == ""
