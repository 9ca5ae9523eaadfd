"""The addresses of the API."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import DefaultRouter

from crm.api.activity import ReviewViewSet, VisitViewSet, WishViewSet
from crm.api.errors import unknown_address
from crm.api.ledgers import CardViewSet, ConsentViewSet, LoyaltyEntryViewSet
from crm.api.returns import ReturnViewSet
from crm.api.surveys import AnswerViewSet, InvoiceViewSet, QuestionViewSet, SurveyViewSet
from crm.api.views import CustomerViewSet, ProductViewSet, ReceiptViewSet
from segments.api import AttributeViewSet, MemberViewSet, SegmentViewSet

router = DefaultRouter()
router.include_format_suffixes = False
router.register("customers", CustomerViewSet)
router.register("products", ProductViewSet)
router.register("receipts", ReceiptViewSet)
router.register("returns", ReturnViewSet, basename="return")
router.register("consents", ConsentViewSet)
router.register("cards", CardViewSet)
router.register("loyalty-entries", LoyaltyEntryViewSet)
router.register("wishlist", WishViewSet)
router.register("reviews", ReviewViewSet)
router.register("visits", VisitViewSet)
router.register("attributes", AttributeViewSet, basename="attribute")
router.register("surveys", SurveyViewSet)
router.register("questions", QuestionViewSet)
router.register("answers", AnswerViewSet)
router.register("invoices", InvoiceViewSet)
router.register("segments", SegmentViewSet)
router.register(r"segments/(?P<segment>\d+)/members", MemberViewSet)

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("", include(router.urls)),
    re_path("", unknown_address),
]
