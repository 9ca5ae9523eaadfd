"""Links in messages. Short, because some mail programs break long ones."""

from uuid import UUID

from django.urls import path, register_converter

from campaigns import views_public


class HexToken:
    """A delivery's token without dashes."""

    regex = "[0-9a-f]{32}"

    def to_python(self, value: str) -> UUID:
        return UUID(hex=value)

    def to_url(self, value: UUID) -> str:
        return value.hex


register_converter(HexToken, "token")

app_name = "campaigns"
urlpatterns = [
    path("c/<token:token>/<int:link_id>/<str:signature>", views_public.click, name="click"),
    path("o/<token:token>/<str:signature>.gif", views_public.opened, name="opened"),
    path("u/<token:token>/<str:signature>", views_public.leave, name="unsubscribe"),
]
