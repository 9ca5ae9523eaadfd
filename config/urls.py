from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path

from config import views

handler500 = "config.views.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.start, name="start"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/login/", views.back_office_login),
    path("admin/", admin.site.urls),
    path("favicon.ico", views.icon),
    path("m/", include("campaigns.urls")),
    path("api/", include("config.api")),
    path("", include("crm.urls")),
]

if settings.MAIL_CATCHER:  # never in production
    urlpatterns.append(path("mail/", include("config.mailcatcher.urls")))
