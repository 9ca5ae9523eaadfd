"""Responses: links and pixels that lead back to us, signed, and what we write down when they are followed.

A link holds the delivery's token, so whoever follows it has the message: its event also settles an undecided delivery.
Events judged to be a machine's are kept and never decide anything else.
"""

import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from campaigns.models import Link, TrackedEvent

BURST_SECONDS = 2
BURST_LINKS = 3
"""So many different links of one message followed within so short a time: a scanner's work, not a reader's."""

_MACHINES = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|scan|preview|prefetch|monitor|headless|phantomjs|lighthouse|curl|wget|python|"
    r"go-http-client|java/|okhttp|libwww|httpclient|axios|node-fetch|barracuda|proofpoint|mimecast|safelinks|fireeye|"
    r"trendmicro|symantec|sophos|forcepoint|urldefense|virustotal|facebookexternalhit|whatsapp",
    re.IGNORECASE,
)
_BARE_MOZILLA = re.compile(r"Mozilla/5\.0\s*\Z")
"""What Apple's mail privacy proxy calls itself when it fetches every picture, read or not."""


@functools.lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return hashlib.sha256(b"campaigns.tracking:" + secret.encode()).digest()


def _signature(secret: str, text: str) -> str:
    digest = hmac.digest(_key(secret), text.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:12]).decode()


def signature(kind: str, token: UUID, target: int | str = "") -> str:
    """16 characters that only this shop can make, for a link of this kind (c, o, u) to this target."""
    return _signature(settings.SECRET_KEY, f"{kind}:{token.hex}:{target}")


def is_signed(given: str, kind: str, token: UUID, target: int | str = "") -> bool:
    """Whether the signature is ours, by the present secret or one of SECRET_KEY_FALLBACKS."""
    text = f"{kind}:{token.hex}:{target}"
    secrets = [str(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    return any(hmac.compare_digest(given.encode(), _signature(secret, text).encode()) for secret in secrets)


def click_url(*, token: UUID, link_id: int) -> str:
    return f"{settings.SITE_URL}/m/c/{token.hex}/{link_id}/{signature('c', token, link_id)}"


def pixel_url(*, token: UUID) -> str:
    return f"{settings.SITE_URL}/m/o/{token.hex}/{signature('o', token)}.gif"


def unsubscribe_url(*, token: UUID) -> str:
    return f"{settings.SITE_URL}/m/u/{token.hex}/{signature('u', token)}"


def follower(*, token: UUID, links: Mapping[str, int]) -> Callable[[str], str]:
    """Gives the counted address to put in place of one of the campaign's ``links``; any other address stays."""

    def follow(url: str) -> str:
        link_id = links.get(url)
        return url if link_id is None else click_url(token=token, link_id=link_id)

    return follow


def with_pixel(html: str, *, token: UUID) -> str:
    """The page with an invisible picture at its end, whose loading says "opened" (never trusted alone)."""
    pixel = f'<img src="{pixel_url(token=token)}" width="1" height="1" alt="" style="display:block;border:0">'
    head, body, tail = html.rpartition("</body>")
    return f"{head}{pixel}{body}{tail}" if body else html + pixel


def is_countable(url: str) -> bool:
    """Only web addresses that fit the table are counted; mailto and tel go as they are."""
    return url.lower().startswith(("http://", "https://")) and len(url) <= 2000


def record_links(*, campaign_id: int, urls: list[str]) -> dict[str, int]:
    """The campaign's links by address; those not yet known are added."""
    wanted = [url for url in dict.fromkeys(urls) if is_countable(url)]
    Link.objects.bulk_create([Link(campaign_id=campaign_id, url=url) for url in wanted], ignore_conflicts=True)
    return links_of(campaign_id=campaign_id)


def links_of(*, campaign_id: int) -> dict[str, int]:
    return dict(Link.objects.filter(campaign_id=campaign_id).values_list("url", "id"))


def looks_automated(request: HttpRequest) -> bool:
    """Whether the request itself says that no person made it: HEAD, a prefetch, a known scanner or a nameless one."""
    agent = request.headers.get("User-Agent", "")
    purposes = (request.headers.get(name, "") for name in ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz"))
    return (
        request.method == "HEAD"
        or any("prefetch" in purpose.lower() or "preview" in purpose.lower() for purpose in purposes)
        or not agent
        or bool(_BARE_MOZILLA.match(agent))
        or bool(_MACHINES.search(agent))
    )


_RECORD = """
WITH delivery AS (
    SELECT delivery.id, customer.erased_at IS NULL AS is_known, coalesce(customer.merged_into_id, customer.id) AS person
    FROM campaigns_delivery AS delivery JOIN crm_customer AS customer ON customer.id = delivery.customer_id
    WHERE token = %(token)s
), settled AS (
    UPDATE campaigns_delivery d SET status = 'accepted', reason = '', lease = NULL, leased_until = NULL,
        sent_at = coalesce(d.sent_at, %(now)s)
    FROM delivery WHERE d.id = delivery.id
        AND (d.status = 'sending' OR (d.status = 'failed' AND d.reason = 'unclear'))
    RETURNING d.id
), marked AS (
    INSERT INTO crm_changemark (customer_id)
    SELECT person FROM delivery WHERE is_known AND (NOT %(automated)s OR EXISTS (SELECT FROM settled))
)
INSERT INTO campaigns_trackedevent (delivery_id, kind, link_id, happened_at, user_agent, is_automated)
SELECT id, %(kind)s, %(link_id)s::bigint, %(now)s, CASE WHEN is_known THEN %(agent)s ELSE '' END, %(automated)s
FROM delivery
RETURNING delivery_id
"""


def record_event(
    *,
    token: UUID,
    kind: str,
    now: datetime,
    user_agent: str = "",
    is_automated: bool = False,
    link_id: int | None = None,
) -> int | None:
    """Write down a response; an undecided delivery is thereby known to have arrived. Its id, None for no delivery.

    What a person did, and what has arrived, leaves its mark in the same statement: segments may ask for it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "token": token,
                "kind": kind,
                "link_id": link_id,
                "now": now,
                "agent": user_agent.replace("\0", "")[:500],
                "automated": is_automated,
            },
        )
        row = cursor.fetchone()
    return row[0] if row else None


_MARK_BURST = """
WITH recent AS (
    SELECT id, link_id FROM campaigns_trackedevent
    WHERE delivery_id = %(delivery)s AND kind = 'clicked' AND happened_at > %(now)s - make_interval(secs => %(seconds)s)
), unmasked AS (
    UPDATE campaigns_trackedevent e SET is_automated = true
    FROM recent WHERE e.id = recent.id AND NOT e.is_automated
        AND (SELECT count(DISTINCT link_id) FROM recent) >= %(links)s
    RETURNING e.id
)
INSERT INTO crm_changemark (customer_id)
SELECT coalesce(customer.merged_into_id, customer.id)
FROM campaigns_delivery d JOIN crm_customer customer ON customer.id = d.customer_id
WHERE d.id = %(delivery)s AND EXISTS (SELECT FROM unmasked)
"""


def record_click(*, token: UUID, link_id: int, now: datetime, user_agent: str, is_automated: bool) -> str | None:
    """Write a click down and give the address it leads to: one of the campaign's own links, or None.

    A burst over several links within seconds marks all of its clicks as a machine's, the first one too.
    """
    url = Link.objects.filter(pk=link_id, campaign__deliveries__token=token).values_list("url", flat=True).first()
    if url is None:
        return None
    delivery_id = record_event(
        token=token,
        kind=TrackedEvent.Kind.CLICKED,
        link_id=link_id,
        now=now,
        user_agent=user_agent,
        is_automated=is_automated,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _MARK_BURST, {"delivery": delivery_id, "now": now, "seconds": BURST_SECONDS, "links": BURST_LINKS}
        )
    return url
