"""The till at /till/, receipts at /r/, and the customers' own pages at /p/, /confirm/ and /join/."""

from django.urls import path

from crm.views import asks, my_data, preferences, receipts, till

urlpatterns = [
    path("r/<uuid:public_id>/", receipts.receipt, name="receipt"),
    path("p/<str:token>/", preferences.page, name="preferences"),
    path("p/<str:token>/data/", preferences.data, name="preferences-data"),
    path("confirm/<uuid:public_id>/", preferences.opt_in, name="opt-in"),
    path("join/<slug:slug>/", preferences.join, name="join"),
    path("my-data/<uuid:public_id>/", my_data.page, name="data-copy"),
    path("my-data/<uuid:public_id>/<slug:form>/", my_data.file, name="data-copy-file"),
    path("till/", till.till, name="till"),
    path("till/store/", till.choose_store, name="till-store"),
    path("till/scan/", till.scan, name="till-scan"),
    path("till/products/", till.product_list, name="till-products"),
    path("till/customers/", till.customer_list, name="till-customers"),
    path("till/customers/new/", till.customer_form, name="till-customer-form"),
    path("till/customers/<int:pk>/", till.customer_card, name="till-customer"),
    path("till/customers/<int:pk>/asks/", asks.asks, name="till-asks"),
    path("till/sales/", till.sale, name="till-sale"),
    path("till/receipts/<uuid:public_id>/email/", till.email, name="till-email"),
]
