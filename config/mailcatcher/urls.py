from django.urls import path

from config.mailcatcher import views

app_name = "mailcatcher"

urlpatterns = [
    path("", views.mail_list, name="list"),
    path("delete/", views.mail_delete_all, name="delete-all"),
    path("<slug:key>/", views.mail_detail, name="detail"),
    path("<slug:key>/html/", views.mail_html, name="html"),
    path("<slug:key>/raw/", views.mail_raw, name="raw"),
]
