"""Who may manage which staff account. Nobody can hand out, or take over, more than they have themselves."""

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet

TILL_PERMISSIONS = frozenset({"ring_up_sale", "lookup_customer", "note_request"})
"""Whoever has nothing else works at the till and has no business in the back office."""


def manageable_users(*, by: User) -> QuerySet[User]:
    """The accounts whose data, password and tokens ``by`` may change: those that can do nothing which ``by`` can't.

    An account that is switched off counts with what it could do if it were switched on again.
    """
    if by.is_superuser:
        return User.objects.all()
    beyond = _permissions_beyond(by)
    inferior = User.objects.filter(is_superuser=False).exclude(user_permissions__in=beyond)
    return inferior.exclude(groups__permissions__in=beyond)


def may_manage(*, by: User, user: User) -> bool:
    return manageable_users(by=by).filter(pk=user.pk).exists()


def grantable_groups(*, by: User) -> QuerySet[Group]:
    """The roles that ``by`` may give to others: those that hold nothing which ``by`` lacks."""
    return Group.objects.all() if by.is_superuser else Group.objects.exclude(permissions__in=_permissions_beyond(by))


def open_back_office(*, user: User) -> None:
    """Set ``is_staff``, which opens the admin, from what the account may do: it follows the roles, nobody ticks it."""
    user.is_staff = user.is_superuser or _held(user).exclude(codename__in=TILL_PERMISSIONS).exists()
    user.save(update_fields=["is_staff"])


def _held(user: User) -> QuerySet[Permission]:
    return Permission.objects.filter(Q(user=user) | Q(group__user=user))


def _permissions_beyond(user: User) -> QuerySet[Permission]:
    return Permission.objects.exclude(pk__in=_held(user).values("pk"))
