from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
]

if settings.MAIL_CATCHER:  # never in production
    urlpatterns.append(path("mail/", include("config.mailcatcher.urls")))
