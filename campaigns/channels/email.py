"""E-mail: made by :mod:`campaigns.rendering` and :mod:`campaigns.mime`, carried out over SMTP."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from campaigns import tracking
from campaigns.channels import Claimed, Message, Prepared, Session, Trouble
from campaigns.channels.smtp import SmtpSession, sender_address
from campaigns.context import message_context
from campaigns.mime import HeaderRefused, Mail, build
from campaigns.models import Campaign, Variant
from campaigns.rendering import CompiledMessage, MessageError, compile_variant
from crm.models import Shop


class EmailDoor:
    address_column = "email"
    key_column = "email_key"
    consent_column = "consent_email"

    def problems(self, campaign: Campaign) -> list[str]:
        found = []
        for variant in campaign.variants.all():
            try:
                compile_variant(variant)
            except MessageError as error:
                found += [str(problem) for problem in error.problems]
        return found

    def launched(self, campaign: Campaign) -> None:
        urls = [url for variant in campaign.variants.all() for url in compile_variant(variant).links]
        tracking.record_links(campaign_id=campaign.pk, urls=urls)

    def prepare(self, campaign: Campaign, window: Sequence[Claimed], *, now: datetime) -> Prepared:
        compiled = self._compiled(campaign, {claimed.variant_id for claimed in window})
        links = tracking.links_of(campaign_id=campaign.pk)
        contexts = message_context(customer_ids=[claimed.customer_id for claimed in window])
        shop = Shop.current()
        prepared = Prepared()
        for claimed in window:
            variant, message = compiled[claimed.variant_id]
            try:
                data = _personal(claimed, variant, message, contexts[claimed.customer_id], links, now, shop)
            except (MessageError, HeaderRefused, KeyError) as error:
                prepared.unmade[claimed.id] = str(error)
            else:
                prepared.messages.append(Message(claimed.id, claimed.address, data))
        return prepared

    def open(self) -> AbstractContextManager[Session]:
        return SmtpSession()

    def _compiled(self, campaign: Campaign, ids: Iterable[int]) -> dict[int, tuple[Variant, CompiledMessage]]:
        """Compiled once: equal sources come from a cache."""
        try:
            return {
                variant.pk: (variant, compile_variant(variant)) for variant in Variant.objects.filter(pk__in=list(ids))
            }
        except MessageError as error:
            raise Trouble(_("The message can't be made: %s") % error, heals=False) from error


def _personal(
    claimed: Claimed,
    variant: Variant,
    message: CompiledMessage,
    context: Mapping[str, Any],
    links: Mapping[str, int],
    now: datetime,
    shop: Shop,
) -> bytes:
    unsubscribe = tracking.unsubscribe_url(token=claimed.token)
    rendered = message.render(
        {**context, "unsubscribe_url": unsubscribe}, follow=tracking.follower(token=claimed.token, links=links)
    )
    return build(
        Mail(
            sender=sender_address(),
            sender_name=variant.sender_name or shop.name,
            to=claimed.address,
            subject=rendered.subject,
            html=tracking.with_pixel(rendered.html, token=claimed.token),
            text=rendered.text,
            token=claimed.token,
            date=now,
            unsubscribe_url=unsubscribe,
            campaign=f"{variant.campaign_id}:regulars:{settings.SITE_URL.rpartition('//')[2]}",
        )
    )
