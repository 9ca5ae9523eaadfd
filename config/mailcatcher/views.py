"""What the shop sent, to be read in the browser. Mounted only where settings.MAIL_CATCHER says so."""

import re
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from config.mailcatcher.store import Mailbox

PAGE_SIZE = 50
_OURS = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'"
# A message is a stranger: no script, no form, an origin of its own; its links open in a new tab.
_THEIRS = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src * data:; "
    "style-src 'unsafe-inline' https:; font-src https: data:"
)
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)


@require_safe
def mail_list(request: HttpRequest) -> HttpResponse:
    recipient = request.GET.get("to", "")
    page = Paginator(list(_mailbox().entries(recipient)), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "to": recipient, "refresh": page.number == 1 and not recipient}
    return _with_policy(render(request, "mailcatcher/list.html", context), _OURS)


@require_safe
def mail_detail(request: HttpRequest, key: str) -> HttpResponse:
    message = _message_or_404(key)
    html, text = _part(message, "html"), _part(message, "plain")
    context = {
        "key": key,
        "subject": message.get("Subject", ""),
        "headers": [(name, str(value)) for name, value in message.items()],
        "has_html": html is not None,
        "text": text,
        "attachments": [
            {"name": part.get_filename() or "", "type": part.get_content_type(), "size": len(part.get_content())}
            for part in message.iter_attachments()
        ],
    }
    return _with_policy(render(request, "mailcatcher/detail.html", context), _OURS)


@require_safe
@xframe_options_sameorigin
def mail_html(request: HttpRequest, key: str) -> HttpResponse:
    """The HTML part alone, for the frame."""
    html = _part(_message_or_404(key), "html")
    if html is None:
        raise Http404
    new_tab = '<base target="_blank">'
    html = _HEAD.sub(lambda found: found[0] + new_tab, html, count=1) if _HEAD.search(html) else new_tab + html
    return _with_policy(HttpResponse(html), _THEIRS)


@require_safe
def mail_raw(request: HttpRequest, key: str) -> HttpResponse:
    raw = _mailbox().raw(key)
    if raw is None:
        raise Http404
    return HttpResponse(raw, content_type="text/plain; charset=utf-8")


@require_POST
def mail_delete_all(request: HttpRequest) -> HttpResponse:
    _mailbox().clear()
    return redirect(reverse("mailcatcher:list"))


def _mailbox() -> Mailbox:
    return Mailbox(Path(settings.DATA_DIR) / "mail")


def _message_or_404(key: str) -> EmailMessage:
    message = _mailbox().message(key)
    if message is None:
        raise Http404
    return message


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, UnicodeDecodeError):  # a character set that we don't know
        content = part.get_payload(decode=True)
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""


def _with_policy(response: HttpResponse, policy: str) -> HttpResponse:
    response["Content-Security-Policy"] = policy
    return response
