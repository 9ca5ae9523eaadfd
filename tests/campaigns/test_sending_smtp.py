"""What the mail server says decides each message's fate, and which answers mean that the server itself is broken."""

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from campaigns.channels import Fate, Message, Outcome, Sent, Trouble
from campaigns.channels.smtp import REFUSALS_IN_A_ROW, SmtpSession
from tests.support.sink import DROP, Sink
from tests.support.smtp import SmtpCatcher, free_port

StartSink = Callable[..., Sink]


@pytest.fixture
def start_sink(settings: Settings) -> Iterator[StartSink]:
    """A factory of sinks; Django sends to the last one."""
    sinks = []

    def start(**behaviour: object) -> Sink:
        sink = Sink(**behaviour).start()  # type: ignore[arg-type]  # passed on as they are
        sinks.append(sink)
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        return sink

    yield start
    for sink in sinks:
        sink.stop()


def messages(count: int, *, start: int = 1) -> list[Message]:
    return [
        Message(number, f"anna{number}@example.org", f"Message-ID: <{number}@x>\r\n\r\nHello\r\n".encode())
        for number in range(start, start + count)
    ]


def send(batch: list[Message]) -> tuple[list[Fate], Trouble | None]:
    with SmtpSession() as session:
        sent = session.send(batch, seconds=60)
    return [outcome.fate for outcome in sent.outcomes], sent.trouble


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_window_goes_over_one_connection(start_sink: StartSink, pipelining: bool) -> None:
    sink = start_sink(pipelining=pipelining)

    assert send(messages(250)) == ([Fate.ACCEPTED] * 250, None)
    assert (sink.connections, sink.recipients.total(), set(sink.recipients.values())) == (1, 250, {1})


def test_another_server_keeps_what_was_sent(smtp_catcher: SmtpCatcher) -> None:
    body = b"Subject: dots\r\n\r\n.\r\n.one\r\n..two\r\nend\r\n"

    with SmtpSession() as session:
        sent = session.send([Message(1, "anna@example.org", body)], seconds=60)

    assert sent == Sent([Outcome(1, Fate.ACCEPTED)])
    assert [envelope.content for envelope in smtp_catcher.envelopes] == [body]
    assert smtp_catcher.envelopes[0].mail_from == "shop@example.com"


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("reply", "fate"),
    [
        ("550 5.1.1 no such user", Fate.BAD_ADDRESS),
        ("553 5.1.3 bad syntax", Fate.BAD_ADDRESS),
        ("550 No such mailbox", Fate.REFUSED),
        ("554 5.7.1 policy", Fate.REFUSED),
        ("552 5.2.2 over quota", Fate.REFUSED),
        ("450 4.2.1 busy", Fate.LATER),
        ("451 4.7.1 greylisted", Fate.LATER),
    ],
)
def test_a_refused_recipient_does_not_disturb_the_others(
    start_sink: StartSink, pipelining: bool, reply: str, fate: Fate
) -> None:
    sink = start_sink(pipelining=pipelining, on_rcpt=lambda address, n: reply if n == 2 else None)

    assert send(messages(3)) == ([Fate.ACCEPTED, fate, Fate.ACCEPTED], None)
    assert sorted(sink.recipients) == ["anna1@example.org", "anna3@example.org"]
    assert sink.connections == 1


@pytest.mark.parametrize(
    ("reply", "fate"),
    [("554 5.6.0 spam", Fate.REFUSED), ("452 4.3.1 full", Fate.LATER), ("550 5.1.1 late", Fate.REFUSED)],
)
def test_a_refused_message_does_not_disturb_the_others(start_sink: StartSink, reply: str, fate: Fate) -> None:
    start_sink(on_data=lambda _id, n: reply if n == 2 else None)

    assert send(messages(3)) == ([Fate.ACCEPTED, fate, Fate.ACCEPTED], None)


def test_no_answer_after_the_bytes_is_unclear_and_the_rest_goes_on(start_sink: StartSink) -> None:
    sink = start_sink(on_data=lambda _id, n: DROP if n == 2 else None)

    assert send(messages(4)) == ([Fate.ACCEPTED, Fate.UNCLEAR, Fate.ACCEPTED, Fate.ACCEPTED], None)
    assert (sink.connections, set(sink.arrived.values())) == (2, {1})


def test_the_next_one_s_commands_travel_with_a_message_and_are_taken_back_if_it_does_not_follow(
    start_sink: StartSink,
) -> None:
    sink = start_sink(on_data=lambda _id, n: "554 5.7.1 blocked" if n > 5 else None)

    fates, trouble = send(messages(50))

    assert fates == [Fate.ACCEPTED] * 5 + [Fate.UNSENT] * REFUSALS_IN_A_ROW
    assert trouble is not None
    assert (sink.arrived.total(), sink.commands["RCPT"]) == (15, 16)


@pytest.mark.parametrize("odd", ["аня@example.org", "no address", "b@c"])
def test_an_odd_address_among_others_disturbs_nobody(start_sink: StartSink, odd: str) -> None:
    sink = start_sink()
    batch = messages(5)
    batch[2] = Message(3, odd, b"x\r\n")

    fates, trouble = send(batch)

    wanted = Fate.ACCEPTED if odd == "b@c" else Fate.REFUSED
    assert (fates, trouble) == ([Fate.ACCEPTED, Fate.ACCEPTED, wanted, Fate.ACCEPTED, Fate.ACCEPTED], None)
    assert (sink.connections, set(sink.arrived.values())) == (1, {1})


def test_a_server_that_never_answers_stops_the_work(start_sink: StartSink) -> None:
    start_sink(on_data=lambda _id, n: DROP)

    fates, trouble = send(messages(50))

    assert fates == [Fate.UNCLEAR] * 3
    assert trouble is not None and trouble.heals


def test_a_server_that_hung_up_between_two_is_called_again(start_sink: StartSink) -> None:
    sink = start_sink(on_mail=lambda address, n: DROP if n == 3 else None)

    assert send(messages(5)) == ([Fate.ACCEPTED] * 5, None)
    assert (sink.connections, set(sink.arrived.values())) == (2, {1})


@pytest.mark.parametrize(
    ("behaviour", "heals"),
    [
        ({"on_mail": lambda a, n: "421 4.3.2 going down"}, True),
        ({"on_mail": lambda a, n: "451 4.3.0 try later"}, True),
        ({"on_mail": lambda a, n: "550 5.7.1 you may not send as this"}, False),
        ({"on_rcpt": lambda a, n: "421 4.7.0 too much"}, True),
        ({"on_mail": lambda a, n: DROP}, True),
        ({"greeting": "554 go away"}, True),
    ],
)
def test_a_broken_server_is_trouble_and_nobody_s_failure(
    start_sink: StartSink, behaviour: dict[str, object], heals: bool
) -> None:
    start_sink(**behaviour)

    fates, trouble = send(messages(5))

    assert fates == []
    assert trouble is not None and trouble.heals is heals


def test_no_server_is_trouble(settings: Settings) -> None:
    settings.EMAIL_PORT = free_port()

    fates, trouble = send(messages(5))

    assert fates == []
    assert trouble is not None and trouble.heals
    assert trouble.reason.startswith("No mail server answers at 127.0.0.1:")


def test_a_server_without_the_promised_encryption_is_trouble_that_does_not_heal(
    start_sink: StartSink, settings: Settings
) -> None:
    start_sink()
    settings.EMAIL_USE_TLS = True

    fates, trouble = send(messages(5))

    assert fates == []
    assert trouble is not None and not trouble.heals


def test_a_wrong_password_is_trouble_that_does_not_heal(start_sink: StartSink, settings: Settings) -> None:
    start_sink()
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "shop", "wrong"

    fates, trouble = send(messages(5))

    assert fates == []
    assert trouble is not None and not trouble.heals


@pytest.mark.parametrize("reply", ["554 5.7.1 your address is blocked", "451 4.7.1 slow down"])
def test_many_refusals_in_a_row_are_the_server_s_and_fail_nobody(start_sink: StartSink, reply: str) -> None:
    start_sink(on_rcpt=lambda address, n: reply if n > 5 else None)

    fates, trouble = send(messages(50))

    assert fates == [Fate.ACCEPTED] * 5 + [Fate.UNSENT] * REFUSALS_IN_A_ROW
    assert trouble is not None and trouble.heals and reply in trouble.reason


def test_many_wrong_addresses_in_a_row_are_just_that(start_sink: StartSink) -> None:
    start_sink(on_rcpt=lambda address, n: "550 5.1.1 no such user")

    assert send(messages(30)) == ([Fate.BAD_ADDRESS] * 30, None)


def test_an_address_beyond_ascii_is_refused_where_the_server_can_not_write_it(start_sink: StartSink) -> None:
    sink = start_sink()
    batch = [Message(1, "аня@example.org", b"x\r\n"), Message(2, "anna@bücher.example", b"x\r\n")]

    assert send(batch) == ([Fate.REFUSED, Fate.ACCEPTED], None)
    assert sorted(sink.recipients) == ["anna@xn--bcher-kva.example"]


@pytest.mark.parametrize("address", ["anna@example.org>\r\nRCPT TO:<all@example.org", "a b@c", "anna", ""])
def test_an_address_can_not_hold_a_command(start_sink: StartSink, address: str) -> None:
    sink = start_sink()

    assert send([Message(1, address, b"x\r\n")]) == ([Fate.REFUSED], None)
    assert sink.commands["RCPT"] == 0


def test_nothing_is_begun_after_the_time_is_up(start_sink: StartSink) -> None:
    start_sink()

    with SmtpSession() as session:
        assert session.send(messages(5), seconds=-1) == Sent()
