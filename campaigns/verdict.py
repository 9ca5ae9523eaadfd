"""A campaign's report in plain sentences, the verdict first. No fake precision: without a draw there is no effect."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.results import Report
from crm.money import show, show_whole
from crm.templatetags.regulars import count, percent


def verdict(report: Report) -> list[str]:
    """What came of it, in one to three sentences."""
    if report.launched_on is None:
        return [_("Not sent yet.")]
    if not report.sent.units:
        return [_("Nobody got this message, so there is nothing to report.")]
    if not report.is_complete:
        return _so_far(report)
    return [_compared(report)] if report.extra else _counted(report)


def _so_far(report: Report) -> list[str]:
    """Before the days are over: what was counted. Judging the effect early would find one too often."""
    values = {"day": count(report.day + 1), "days": count(report.days), **_values(report)}
    sentences = [_("Day %(day)s of %(days)s: so far %(buyers)s of %(all)s bought, for %(spend)s.") % values]
    if report.coupons.redemptions:
        sentences.append(_("%(redeemed)s redeemed a coupon.") % values)
    if report.extra:
        sentences.append(_("What the message changed is judged when the %(days)s days are over.") % values)
    else:
        sentences.append(_("Nobody was left out at random, so it will be a difference, not an effect."))
    return sentences


def _counted(report: Report) -> list[str]:
    """Without a draw: what was counted, and that it proves no effect."""
    sentences, values = [], {"days": count(report.days), **_values(report)}
    if report.coupons.redemptions:
        sentences.append(_("%(redeemed)s of %(all)s redeemed a coupon.") % values)
        if report.knows_before:
            template = _(
                "In the %(days)s days after, %(buyers)s of them bought, for %(spend)s; "
                "in the %(days)s days before, %(before)s."
            )
        else:
            template = _("In the %(days)s days after, %(buyers)s of them bought, for %(spend)s.")
    elif report.knows_before:
        template = _(
            "%(buyers)s of %(all)s bought in the %(days)s days after, for %(spend)s; "
            "in the %(days)s days before, %(before)s."
        )
    else:
        template = _("%(buyers)s of %(all)s bought in the %(days)s days after, for %(spend)s.")
    sentences.append(template % values)
    sentences.append(_("Nobody was left out at random, so this is a difference, not an effect."))
    return sentences


def _values(report: Report) -> dict[str, str]:
    return {
        "all": _units(report.unit, report.sent.units),
        "buyers": count(report.sent.buyers),
        "spend": _money(report.sent.spend_minor),
        "before": _money(report.sent.spend_before_minor),
        "redeemed": count(report.coupons.customers),
    }


def _compared(report: Report) -> str:
    extra, sent = report.extra, report.sent
    assert extra is not None  # noqa: S101 - the caller asked
    values = {
        "sent": percent(sent.share, 1),
        "left_out": percent(report.held_out.share, 1),
        "best": count(abs(round(extra.best * sent.units))),
        "low": count(round(extra.low * sent.units)),
        "high": count(round(extra.high * sent.units)),
    }
    if not extra.is_clear:
        return (
            _(
                "Can't tell whether it sold more: %(sent)s of those it was sent to bought, and %(left_out)s of those "
                "left out to compare. Anything from %(low)s to %(high)s extra buyers fits."
            )
            % values
        )
    if extra.best > 0:
        text = _(
            "It worked: best guess %(best)s extra buyers (95%% interval %(low)s to %(high)s). %(sent)s of those it was "
            "sent to bought, and %(left_out)s of those left out to compare."
        )
    else:
        text = _(
            "It kept people away: best guess %(best)s fewer buyers (95%% interval of the extra ones %(low)s to "
            "%(high)s). %(sent)s of those it was sent to bought, and %(left_out)s of those left out to compare."
        )
    return text % values


def _units(unit: str, units: int) -> str:
    values = {"count": count(units)}
    if unit == "h":
        return ngettext("%(count)s household", "%(count)s households", units) % values
    if unit == "c":
        return ngettext("%(count)s company", "%(count)s companies", units) % values
    return ngettext("%(count)s customer", "%(count)s customers", units) % values


def _money(amount_minor: int) -> str:
    """Large sums without their cents."""
    return show_whole(amount_minor) if abs(amount_minor) >= 1_000_000 else show(amount_minor)
