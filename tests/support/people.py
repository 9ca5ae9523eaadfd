"""Staff for tests: one account a role, as the migration made the roles."""

from django.contrib.auth.models import Group, User

from crm import staff

ROLES = ("Shop staff", "Marketing", "Administrator")
PASSWORD = "a-password-of-some-length"


def person(role: str, username: str = "") -> User:
    """An account with this role and :data:`PASSWORD`."""
    user = User.objects.create_user(username or role.split()[0].lower(), password=PASSWORD)
    user.groups.add(Group.objects.get(name=role))
    staff.open_back_office(user=user)
    return user
