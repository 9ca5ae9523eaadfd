"""The three people of the demo, one a role. They exist only where `load_demo` was run; never in a shop of one's own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoUser:
    """A log-in of the demo. `group` is the role's group, made by a migration."""

    username: str
    password: str
    first_name: str
    last_name: str
    email: str
    group: str
    starts_at: str
    """The page this person begins the day on."""


DEMO_USERS = (
    DemoUser("till", "till-demo-pass", "Anna", "Counter", "anna@example.com", "Shop staff", "/till/"),
    DemoUser("marketing", "marketing-demo-pass", "Marco", "Campaign", "marco@example.com", "Marketing", "/admin/"),
    DemoUser("admin", "admin-demo-pass", "Aino", "Keeper", "aino@example.com", "Administrator", "/admin/"),
)
