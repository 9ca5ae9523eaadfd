import smtplib
from datetime import timedelta
from unittest import mock

import pytest
import time_machine
from celery import current_app
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from crm import consents, outbox, profiles, receipts, tasks
from crm.models import ChangeMark, Consent, Customer, CustomerProfile, Receipt, ReceiptMail, Shop
from tests.crm import make
from tests.support.smtp import SmtpCatcher

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shop() -> None:
    Shop(name="Corner Market", address="12 Mill Lane", return_terms="Within 30 days.").save()


def ask(receipt: Receipt, email: str = "anna@example.com", **fields: object) -> ReceiptMail:
    return receipts.email_receipt(receipt=receipt, email=email, by=None, now=make.NOW, **fields)  # type: ignore[arg-type]


def statuses() -> list[str]:
    return list(ReceiptMail.objects.order_by("id").values_list("status", flat=True))


def test_the_public_page_shows_what_paper_shows_and_no_person() -> None:
    customer = make.customer("Anna Ozola", email="anna@example.com", phone="+1 212 555 0147", card="29000001")
    receipt = make.receipt(
        make.line(make.product("Crème <b>brûlée</b>", price_minor=450), "2", discount_minor=90),
        make.line(make.product("Ham"), "0.325", "18.9"),
        customer=customer,
        payment="cash",
    )

    response = Client().get(reverse("receipt", args=[receipt.public_id]))
    html = response.content.decode()

    for shown in (
        "Corner Market",
        "12 Mill Lane",
        receipt.external_id,
        "Crème &lt;b&gt;brûlée&lt;/b&gt;",
        "2 × $4.50",
        "$0.90 off",
        "0.325 × $18.90",
        "$6.14",
        "$14.24",
        "in cash",
        "14 points earned",
        "Within 30 days.",
    ):
        assert shown in html
    for hidden in ("Ozola", "anna@", "0147", "29000001", customer.number):
        assert hidden not in html
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in response["Cache-Control"] and "unsafe" not in response["Content-Security-Policy"]
    assert '<meta name="robots" content="noindex">' in html


def test_a_receipt_that_is_none_is_not_found_and_the_page_changes_nothing() -> None:
    receipt = make.receipt()

    assert Client().get("/r/00000000-0000-4000-8000-000000000000/").status_code == 404
    assert Client().get(f"/r/{receipt.pk}/").status_code == 404
    assert Client().post(reverse("receipt", args=[receipt.public_id])).status_code == 405


def test_a_guest_who_gives_an_address_becomes_a_customer_without_consent() -> None:
    receipt = make.receipt(make.line(make.product(path="Food")))

    mail = ask(receipt, " Anna@Example.com")

    customer = Customer.objects.get()
    receipt.refresh_from_db()
    assert (receipt.customer, customer.email, customer.registered_at) == (customer, "Anna@Example.com", None)
    profile = CustomerProfile.objects.get()
    assert (profile.receipts, profile.spend_minor, profile.points, profile.consent_email) == (1, 1000, 0, False)
    assert (mail.status, mail.email_key, Consent.objects.count()) == ("queued", "anna@example.com", 0)
    assert list(profiles.differences()) == []


def test_the_next_purchase_with_that_address_is_the_same_customers() -> None:
    ask(make.receipt())
    ask(make.receipt(), "ANNA@example.com")

    assert Customer.objects.count() == 1
    assert CustomerProfile.objects.get().receipts == 2


def test_asked_twice_it_goes_out_once() -> None:
    receipt = make.receipt()

    assert ask(receipt).pk == ask(receipt).pk
    assert (Customer.objects.count(), ReceiptMail.objects.count()) == (1, 1)


def test_consent_is_given_only_by_the_box_with_its_wording() -> None:
    ask(make.receipt(), marketing=True)

    consent = Consent.objects.get()
    assert (consent.granted, consent.source, consent.stated_at) == (True, "till", make.NOW)
    assert consent.wording == "Corner Market may send me news and offers by e-mail. I can stop this at any time."
    assert CustomerProfile.objects.get().consent_email is True


def test_of_two_with_one_address_the_till_asks_who_is_here() -> None:
    anna, liga = (
        make.customer("Anna A", email="family@example.com"),
        make.customer("Liga L", email="family@example.com"),
    )
    receipt = make.receipt()

    with pytest.raises(receipts.AddressNeedsPerson) as several:
        ask(receipt, "family@example.com")
    assert several.value.people == [anna, liga]
    assert not ReceiptMail.objects.exists()
    ask(receipt, "family@example.com", customer_id=liga.pk)

    receipt.refresh_from_db()
    assert receipt.customer == liga


def test_a_known_customer_without_an_address_gets_it_and_one_with_another_keeps_theirs() -> None:
    without, having = make.customer("Anna A"), make.customer("Liga L", email="liga@example.com")

    to_anna = make.receipt(customer=without)
    ChangeMark.objects.all().delete()

    ask(to_anna, "anna@example.com")
    assert list(ChangeMark.objects.values_list("customer", flat=True)) == [without.pk]
    ask(make.receipt(customer=having), "work@example.com")

    without.refresh_from_db()
    having.refresh_from_db()
    assert (without.email, without.email_key, " anna" in without.search_text) == (
        "anna@example.com",
        "anna@example.com",
        True,
    )
    assert having.email == "liga@example.com"
    assert list(ReceiptMail.objects.order_by("id").values_list("email", flat=True)) == [
        "anna@example.com",
        "work@example.com",
    ]


@pytest.mark.parametrize("email", ["", "no address", "a@example.com\nBcc: all@example.com", "a b@example.com"])
def test_an_address_that_is_none_is_refused_and_nobody_is_made(email: str) -> None:
    with pytest.raises(ValidationError):
        ask(make.receipt(), email)

    assert not Customer.objects.exists()


@pytest.mark.parametrize(("reason", "goes"), [("bounced", False), ("erased", False), ("unsubscribed", True)])
def test_a_receipt_is_a_service_and_goes_to_all_but_bounced_and_erased_addresses(reason: str, goes: bool) -> None:
    consents.suppress(channel="email", address_key="anna@example.com", reason=reason)

    if goes:
        assert ask(make.receipt()).status == "queued"
    else:
        with pytest.raises(ValidationError):
            ask(make.receipt())
        assert not Customer.objects.exists()


def test_the_mail_has_text_and_html_and_the_link(smtp_catcher: SmtpCatcher) -> None:
    receipt = make.receipt(make.line(make.product("Crème <brûlée>", price_minor=450), "2"))
    ask(receipt)

    assert outbox.send_due(now=make.NOW) == outbox.Sent(sent=1)
    tasks.mail_receipts()

    (message,) = smtp_catcher.messages
    link = f"http://testserver/r/{receipt.public_id}/"
    text, html = (str(part.get_content()).replace("\r\n", "\n") for part in message.iter_parts())
    assert (message["To"], message["Subject"]) == (
        "anna@example.com",
        f"Your receipt {receipt.external_id} from Corner Market",
    )
    assert message["Auto-Submitted"] == "auto-generated"
    assert link in text and link in html
    assert "Crème <brûlée>\n  2 x $4.50: $9.00" in text and "Crème &lt;brûlée&gt;" in html
    assert statuses() == ["sent"]


def test_a_line_break_in_the_shops_name_reaches_no_header(smtp_catcher: SmtpCatcher) -> None:
    Shop.objects.update(name="Corner\r\nBcc: all@example.com")
    ask(make.receipt())

    outbox.send_due(now=make.NOW)

    (message,) = smtp_catcher.messages
    assert message["Bcc"] is None
    assert "Corner Bcc: all@example.com" in message["Subject"]


def test_a_mail_server_that_is_down_makes_receipts_wait_and_loses_none(smtp_catcher: SmtpCatcher) -> None:
    ask(make.receipt(), "anna@example.com")
    ask(make.receipt(), "liga@example.com")
    with mock.patch("smtplib.SMTP", side_effect=ConnectionRefusedError):
        assert outbox.send_due(now=make.NOW) == outbox.Sent(waiting=1)
    assert statuses() == ["queued", "queued"]

    assert outbox.send_due(now=make.NOW + timedelta(hours=1)) == outbox.Sent(sent=2)
    assert len(smtp_catcher.messages) == 2


@pytest.mark.parametrize(("code", "status"), [(450, "queued"), (550, "failed")])
def test_an_address_refused_for_now_waits_and_one_refused_for_good_has_failed(
    smtp_catcher: SmtpCatcher, code: int, status: str
) -> None:
    ask(make.receipt(), "anna@example.com")
    ask(make.receipt(), "liga@example.com")
    refusal = smtplib.SMTPRecipientsRefused({"anna@example.com": (code, b"no such mailbox")})
    real = smtplib.SMTP.sendmail

    def sendmail(self: smtplib.SMTP, sender: str, to: list[str], *rest: object) -> object:
        if to == ["anna@example.com"]:
            raise refusal
        return real(self, sender, to, *rest)  # type: ignore[arg-type]

    with mock.patch("smtplib.SMTP.sendmail", sendmail):
        outbox.send_due(now=make.NOW)

    assert statuses() == [status, "sent"]
    assert "no such mailbox" in ReceiptMail.objects.get(email="anna@example.com").error


def test_a_line_that_breaks_while_bytes_leave_is_unclear_and_never_sent_again_by_itself(
    smtp_catcher: SmtpCatcher,
) -> None:
    ask(make.receipt())
    with mock.patch("smtplib.SMTP.sendmail", side_effect=smtplib.SMTPServerDisconnected("gone")):
        outbox.send_due(now=make.NOW)
    assert statuses() == ["sending"]

    outbox.send_due(now=make.NOW + timedelta(days=1))

    assert (statuses(), smtp_catcher.messages) == (["sending"], [])


def test_a_mail_server_that_hangs_or_closes_costs_one_mail_a_round() -> None:
    ask(make.receipt())
    ask(make.receipt(), "liga@example.com")
    server = mock.Mock()
    server.send_messages.side_effect = TimeoutError("no answer")
    with mock.patch("crm.outbox.get_connection", return_value=server):
        assert outbox.send_due(now=make.NOW) == outbox.Sent()
        assert statuses() == ["sending", "queued"]

        server.send_messages.side_effect = smtplib.SMTPSenderRefused(421, b"closing", "shop@example.com")
        ask(make.receipt(), "mia@example.com")
        assert outbox.send_due(now=make.NOW) == outbox.Sent(waiting=1)
    assert list(ReceiptMail.objects.order_by("id").values_list("status", "attempts")) == [
        ("sending", 1),
        ("queued", 1),
        ("queued", 0),
    ]


def test_receipts_by_mail_never_stand_before_the_refresh_of_segments(settings: Settings) -> None:
    routed = current_app.amqp.router.route({}, outbox.TASK)
    assert routed["queue"].name == "bulk"
    assert settings.EMAIL_TIMEOUT == 30


def test_a_worker_that_dies_while_sending_leaves_it_unclear(smtp_catcher: SmtpCatcher) -> None:
    ask(make.receipt())
    with mock.patch("crm.outbox._send", side_effect=SystemExit), pytest.raises(SystemExit):
        outbox.send_due(now=make.NOW)

    assert outbox.send_due(now=make.NOW + timedelta(days=1)) == outbox.Sent()
    assert (statuses(), smtp_catcher.messages) == (["sending"], [])


def test_an_address_suppressed_after_it_was_asked_for_gets_nothing(smtp_catcher: SmtpCatcher) -> None:
    ask(make.receipt())
    consents.suppress(channel="email", address_key="anna@example.com", reason="erased")

    outbox.send_due(now=make.NOW)

    assert (statuses(), smtp_catcher.messages) == (["failed"], [])


def test_a_human_may_send_again_what_failed_or_stayed_unclear_and_nothing_else(smtp_catcher: SmtpCatcher) -> None:
    for status, since in (("sent", 60), ("failed", 0), ("sending", 60), ("sending", 1)):
        mail = ask(make.receipt(), f"{status}{since}@example.com")
        settled_at = make.NOW - timedelta(minutes=since)
        ReceiptMail.objects.filter(pk=mail.pk).update(status=status, settled_at=settled_at)
    keeper = Client()
    keeper.force_login(User.objects.create_superuser("keeper"))
    selected = list(ReceiptMail.objects.values_list("pk", flat=True))

    with time_machine.travel(make.NOW, tick=False):
        answer = keeper.post(
            reverse("admin:crm_receiptmail_changelist"), {"action": "send_again", "_selected_action": selected}
        )
    outbox.send_due(now=make.NOW)

    assert answer.status_code == 302
    assert statuses() == ["sent", "sent", "sent", "sending"]
    assert sorted(smtp_catcher.recipients) == ["failed0@example.com", "sending60@example.com"]


def till() -> Client:
    user = User.objects.create_user("anna")
    user.user_permissions.set(Permission.objects.filter(codename__in=["ring_up_sale", "lookup_customer"]))
    client = Client()
    client.force_login(user)
    return client


def test_at_the_till_one_press_mails_to_the_customers_own_address_which_is_not_shown() -> None:
    receipt = make.receipt(customer=make.customer(email="anna@example.com"))

    response = till().post(reverse("till-email", args=[receipt.public_id]), {"email": ""})

    assert response.status_code == 200
    assert ReceiptMail.objects.get().email == "anna@example.com"
    assert "a•••@example.com" in response.content.decode() and "anna@example.com" not in response.content.decode()


def test_the_till_asks_again_for_a_wrong_address_and_offers_the_people_of_a_shared_one() -> None:
    client, receipt = till(), make.receipt()
    url = reverse("till-email", args=[receipt.public_id])
    anna, liga = (
        make.customer("Anna A", email="family@example.com"),
        make.customer("Liga L", email="family@example.com"),
    )

    wrong = client.post(url, {"email": "nobody", "marketing": "on"})
    shared = client.post(url, {"email": "family@example.com"})
    chosen = client.post(url, {"email": "family@example.com", "customer": liga.pk})

    assert (wrong.status_code, 'value="nobody"' in wrong.content.decode(), "checked" in wrong.content.decode()) == (
        422,
        True,
        True,
    )
    assert [person.name for person in shared.context["people"]] == ["Anna A", "Liga L"]
    assert chosen.status_code == 200
    receipt.refresh_from_db()
    assert (receipt.customer, anna.receipts.count()) == (liga, 0)
