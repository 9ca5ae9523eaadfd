"""Writing a campaign: drafts, corrections while paused, copies, and a test to oneself."""

from collections.abc import Iterable, Mapping
from email.utils import formataddr
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.channels import door
from campaigns.channels.smtp import sender_address
from campaigns.context import Context, message_context, shop_context
from campaigns.models import Campaign, Variant
from campaigns.placeholders import CATALOGUE
from campaigns.rendering import MessageError, RenderedMessage, check_placeholders, compile_variant
from crm.text import clean
from personas.models import Persona
from segments.models import Segment

TEXTS = ("sender_name", "subject", "preheader", "heading", "body", "button_label", "button_url", "mjml")


class Locked(Exception):
    """The campaign is on its way or over, so this can't be changed any more."""


def create_campaign(
    *, name: str, segments: Iterable[Segment], personas: Iterable[Persona], by: AbstractBaseUser
) -> Campaign:
    """A new draft with an empty message."""
    with transaction.atomic():
        campaign = Campaign.objects.create(name=name, created_by_id=by.pk)
        campaign.segments.set(segments)
        campaign.personas.set(personas)
        Variant.objects.create(campaign=campaign)
    return campaign


def main_variant(campaign: Campaign) -> Variant:
    """The message for everybody who has none in a language of their own; unsaved where there is none yet."""
    found = campaign.variants.filter(language="").order_by("letter").first()
    return found or Variant(campaign=campaign)


def save_draft(*, campaign: Campaign, who: Mapping[str, Any], texts: Mapping[str, Any]) -> Campaign:
    """Keep what was typed, sound or not; what is wrong with it only keeps it from being launched. Locked."""
    with transaction.atomic():
        campaign = _locked(campaign, Campaign.Status.DRAFT)
        for name in ("name", "topic", "attribution_days", "holdout_percent"):
            setattr(campaign, name, who[name])
        campaign.save(update_fields=["name", "topic", "attribution_days", "holdout_percent"])
        campaign.segments.set(who["segments"])
        campaign.personas.set(who["personas"])
        _write(main_variant(campaign), texts)
    return campaign


def correct_message(*, campaign: Campaign, texts: Mapping[str, Any]) -> Variant:
    """Change the message of a paused campaign: those who have not got it yet will get this one.

    MessageError where it could not be sent so; Locked where the campaign is not paused.
    """
    with transaction.atomic():
        campaign = _locked(campaign, Campaign.Status.PAUSED)
        variant = main_variant(campaign)
        before = [getattr(variant, name) for name in TEXTS]
        _write(variant, texts)
        if problems := check_placeholders(variant):
            raise MessageError(problems)
        if before != [getattr(variant, name) for name in TEXTS]:
            variant.version += 1
            variant.save(update_fields=["version"])
        door(campaign.channel).launched(campaign)  # its new links are counted too
    return variant


def duplicate_campaign(*, campaign: Campaign, by: AbstractBaseUser) -> Campaign:
    """A draft that says the same to the same groups, with a draw of its own."""
    with transaction.atomic():
        copy = Campaign.objects.create(
            name=(_("Copy of %(name)s") % {"name": campaign.name})[:200],
            topic=campaign.topic,
            attribution_days=campaign.attribution_days,
            holdout_percent=campaign.holdout_percent,
            created_by_id=by.pk,
        )
        copy.segments.set(campaign.segments.all())
        copy.personas.set(campaign.personas.all())
        variants = list(campaign.variants.all()) or [Variant()]
        Variant.objects.bulk_create(
            Variant(
                campaign=copy,
                letter=variant.letter,
                language=variant.language,
                **{name: getattr(variant, name) for name in TEXTS},
            )
            for variant in variants
        )
    return copy


def example_context() -> Context:
    """What placeholders stand for when no customer is chosen: the catalogue's own examples."""
    context: Context = {"shop": shop_context()}
    for placeholder in CATALOGUE:
        head, _dot, last = placeholder.name.partition(".")
        if head != "shop":
            target = context.setdefault(head, {}) if last else context
            target[last or head] = placeholder.example
    context["unsubscribe_url"] = settings.SITE_URL
    return context


def render_for(*, variant: Variant, customer_id: int | None) -> RenderedMessage:
    """The message as this customer would get it (an example where None). MessageError. Nothing in it is counted."""
    contexts = message_context(customer_ids=[customer_id]) if customer_id is not None else {}
    context = contexts.get(customer_id or 0) or example_context()
    return compile_variant(variant).render({**context, "unsubscribe_url": settings.SITE_URL})


def send_test(*, variant: Variant, customer_id: int | None, to: str, sender_name: str) -> None:
    """Mail the message to one's own address, as that customer would get it. MessageError, or OSError of the server."""
    message = render_for(variant=variant, customer_id=customer_id)
    mail = EmailMultiAlternatives(
        subject=_("Test: %(subject)s") % {"subject": message.subject},
        body=message.text,
        from_email=formataddr((clean(sender_name), sender_address())),
        to=[to],
    )
    mail.attach_alternative(message.html, "text/html")
    mail.send()


def _locked(campaign: Campaign, status: str) -> Campaign:
    locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if locked.status != status or locked.is_imported:
        raise Locked
    return locked


def _write(variant: Variant, texts: Mapping[str, Any]) -> None:
    for name in TEXTS:
        setattr(variant, name, texts[name])
    variant.save()
