"""Sending a campaign: claim, personalise, make the mail, SMTP, settle, against a loop that only sends.

The limit sends one fixed message of the same size over one connection, as fast as the protocol allows (commands
pipelined); the second line compares with Python's own smtplib. Both talk to the same sink in a process of its own.
"""

import itertools
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils import timezone

from benchmarks.results import Result, Scale, interleaved
from campaigns.models import Campaign, Delivery, Link, Variant
from campaigns.sending import send_campaign
from campaigns.states import launch_campaign
from crm.models import Customer, CustomerProfile
from segments.models import Membership, Segment

COUNTS: dict[Scale, int] = {"small": 2_000, "full": 20_000}
PLACEHOLDERS = (
    "{{ customer.first_name | default: 'friend' }} {{ customer.last_name | default: 'friend' }} "
    "{{ customer.city | default: 'your town' }} {{ customer.points }} {{ shop.name }} "
    "{{ last_purchase.product | default: 'favourites' }} {{ last_purchase.category | default: 'our shelves' }} "
    "{{ last_purchase.on | default: 'lately' }} {{ last_purchase.store | default: 'our shop' }}"
)
"""With those of the heading, the subject and the foot, a dozen."""


def run(scale: Scale) -> Iterator[Result]:
    count = COUNTS[scale]
    segment = _customers(count)
    with _sink() as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", port, False
        message = _one_message(segment)
        # A shop's worker goes through both; smtplib is what most programs would use.
        for name, limit, goal in (("pipelined", _pipelined, 0.5), ("smtplib", _smtplib, 1.2)):
            compared = interleaved(lambda: _campaign(segment, count), _timed(limit, message, count, port))
            yield Result(
                name=f"sending a campaign against a bare SMTP loop ({name})",
                ratio=1 / compared.time_ratio,
                goal=goal,
                better="higher",
                limit_per_s=compared.limit_per_s(count),
                more={
                    "per_s": round(compared.per_s(count)),
                    "mails": count,
                    "bytes": len(message),
                    "runs": compared.runs,
                },
            )


def _timed(limit: Callable[[bytes, int, int], None], message: bytes, count: int, port: int) -> Callable[[], float]:
    def timed() -> float:
        started = time.perf_counter()
        limit(message, count, port)
        return time.perf_counter() - started

    return timed


def _customers(count: int) -> Segment:
    customers = Customer.objects.bulk_create(
        Customer(
            number=f"S{number}",
            first_name=f"Anna{number}",
            last_name="García",
            city="Springfield",
            email=f"anna{number}@example.org",
            email_key=f"anna{number}@example.org",
        )
        for number in range(count)
    )
    CustomerProfile.objects.bulk_create(CustomerProfile(customer=c, consent_email=True, points=7) for c in customers)
    segment = Segment.objects.create(name="Everybody", kind=Segment.Kind.PICKED)
    now = timezone.now()
    Membership.objects.bulk_create(
        Membership(segment=segment, customer=customer, entered_at=now, rule_version=1) for customer in customers
    )
    return segment


def _launch(segment: Segment) -> Campaign:
    campaign = Campaign.objects.create(name="Benchmark")
    campaign.segments.add(segment)
    Variant.objects.create(
        campaign=campaign,
        subject="Bricks for {{ customer.first_name | default: 'you' }}",
        heading="Back on our shelves, {{ customer.first_name | default: 'friend' }}",
        body="\n\n".join([PLACEHOLDERS, *["Forty words of plain text that a shop may well write. " * 4] * 13]),
        button_label="See them",
        button_url="https://shop.example.com/bricks",
    )
    return launch_campaign(campaign=campaign, by=None, now=timezone.now())


def _campaign(segment: Segment, count: int) -> float:
    campaign = _launch(segment)
    started = time.perf_counter()
    accepted = send_campaign(campaign_id=campaign.pk, seconds=3600)
    seconds = time.perf_counter() - started
    assert accepted == count, f"{accepted} of {count} were accepted"
    _forget(campaign)
    return seconds


def _forget(campaign: Campaign) -> None:
    Delivery.objects.filter(campaign=campaign).delete()
    Link.objects.filter(campaign=campaign).delete()
    Campaign.objects.filter(pk=campaign.pk).update(status="cancelled")


def _one_message(segment: Segment) -> bytes:
    """As a recipient of the campaign would get it."""
    from campaigns.channels import Claimed
    from campaigns.channels.email import EmailDoor

    campaign = _launch(segment)
    row = campaign.deliveries.all()[0]
    claimed = Claimed(row.pk, row.customer_id, row.variant_id or 0, row.address, row.address_key, row.token, 0)
    prepared = EmailDoor().prepare(campaign, [claimed], now=timezone.now())
    _forget(campaign)
    return prepared.messages[0].data


def _pipelined(message: bytes, count: int, port: int) -> None:
    """MAIL, RCPT and DATA in one write, the message in another: what the protocol can do without looking ahead."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = connection.makefile("rb")
        replies.readline()
        connection.sendall(b"EHLO bench\r\n")
        while not replies.readline().startswith(b"250 "):
            pass
        offer = b"MAIL FROM:<shop@example.com>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n"
        content = message + b".\r\n"
        for _mail in range(count):
            connection.sendall(offer)
            for _reply in range(3):
                replies.readline()
            connection.sendall(content)
            assert replies.readline().startswith(b"250")


def _smtplib(message: bytes, count: int, port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        for _mail in itertools.repeat(None, count):
            smtp.sendmail("shop@example.com", ["anna@example.org"], message)


@contextmanager
def _sink() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", "tests.support.sink"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
