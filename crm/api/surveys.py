"""Surveys, their questions, and what customers answered; invoices of sales on account."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from crm import accounts, surveys
from crm.api.activity import CustomerFilter
from crm.api.base import (
    KEY_IN_ADDRESS,
    CurrencyField,
    Filter,
    FilterMixin,
    MoneyField,
    StrictMixin,
    by_key,
    live_customer,
)
from crm.models import Answer, Invoice, Question, Survey

MOST_ANSWERS = 1_000
"""Answers that one request may bring."""


class SurveySerializer(StrictMixin, serializers.ModelSerializer):
    class Meta:
        model = Survey
        fields = ["slug", "title", "is_active"]


class SurveyFilter(Filter):
    is_active = serializers.BooleanField(required=False)

    lookups = {"is_active": "is_active"}


@extend_schema_view(list=extend_schema(parameters=[SurveyFilter]))
class SurveyViewSet(
    FilterMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    viewsets.GenericViewSet[Survey],
):
    """Surveys, by their keys."""

    scope = "surveys"
    queryset = Survey.objects.all()
    serializer_class = SurveySerializer
    filter_class = SurveyFilter
    lookup_field = "slug"
    lookup_value_regex = KEY_IN_ADDRESS


class QuestionSerializer(StrictMixin, serializers.ModelSerializer):
    """A question, by the key under which rules know it: ``answer("favourite-season") = "winter"``."""

    class Meta:
        model = Question
        fields = ["slug", "text", "privacy"]


class QuestionFilter(Filter):
    privacy = serializers.ChoiceField(choices=Question.Privacy.choices, required=False)

    lookups = {"privacy": "privacy"}


@extend_schema_view(list=extend_schema(parameters=[QuestionFilter]))
class QuestionViewSet(
    FilterMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    viewsets.GenericViewSet[Question],
):
    """What surveys ask. A special question (politics, health, belief) selects only customers who allow that."""

    scope = "surveys"
    queryset = Question.objects.all()
    serializer_class = QuestionSerializer
    filter_class = QuestionFilter
    lookup_field = "slug"
    lookup_value_regex = KEY_IN_ADDRESS


class AnswerSerializer(StrictMixin, serializers.ModelSerializer):
    """What a customer answered. Of several answers to one question the newest counts."""

    client_key = serializers.UUIDField(help_text=_("A UUID of the client's making, one an answer."))
    customer = live_customer()
    survey = by_key(Survey, "slug", unknown=_("There is no survey “{value}”."))
    question = by_key(Question, "slug", unknown=_("There is no question “{value}”."))
    value = serializers.CharField(max_length=surveys.LONGEST)

    class Meta:
        model = Answer
        fields = ["id", "client_key", "customer", "survey", "question", "value", "answered_at"]


class NewAnswersSerializer(StrictMixin, serializers.Serializer):
    """Answers to record together."""

    answers = AnswerSerializer(many=True, allow_empty=False)

    def validate_answers(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(answers) > MOST_ANSWERS:
            raise serializers.ValidationError(_("At most %(n)d at once.") % {"n": MOST_ANSWERS})
        return answers


class RecordedAnswersSerializer(serializers.Serializer):
    recorded = serializers.IntegerField(help_text=_("So many are on record now, those sent before included."))


class AnswerFilter(CustomerFilter):
    survey = serializers.CharField(required=False)
    question = serializers.CharField(required=False)
    answered_since = serializers.DateTimeField(required=False)

    lookups = {
        **CustomerFilter.lookups,
        "survey": "survey__slug",
        "question": "question__slug",
        "answered_since": "answered_at__gte",
    }


@extend_schema_view(
    list=extend_schema(parameters=[AnswerFilter]),
    create=extend_schema(request=NewAnswersSerializer, responses={201: RecordedAnswersSerializer}),
)
class AnswerViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Answer]):
    """Answers to surveys; many at once, all of them or none."""

    scope = "surveys"
    queryset = Answer.objects.select_related("customer", "survey", "question")
    serializer_class = AnswerSerializer
    filter_class = AnswerFilter

    def create(self, request: Request) -> Response:
        given = NewAnswersSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        said = [surveys.Said(key=one.pop("client_key"), **one) for one in given.validated_data["answers"]]
        recorded = surveys.record_answers(answers=said, now=timezone.now())
        return Response({"recorded": len(recorded)}, status.HTTP_201_CREATED)


class InvoiceSerializer(StrictMixin, serializers.ModelSerializer):
    """A sale on account: what is to be paid, by when, and when it was."""

    customer = live_customer()
    amount = MoneyField(source="amount_minor", min_value=0)
    currency = CurrencyField()

    class Meta:
        model = Invoice
        fields = ["number", "customer", "issued_on", "due_on", "paid_on", "amount", "currency"]


class InvoicePaymentSerializer(StrictMixin, serializers.ModelSerializer):
    """What may change of an invoice: when it is due, and when it was paid."""

    class Meta:
        model = Invoice
        fields = ["due_on", "paid_on"]


class InvoiceFilter(CustomerFilter):
    due_until = serializers.DateField(required=False)
    paid = serializers.BooleanField(required=False)

    lookups = {**CustomerFilter.lookups, "due_until": "due_on__lte"}

    def narrow(self, rows: QuerySet[Invoice], values: dict[str, Any]) -> QuerySet[Invoice]:
        return rows.filter(paid_on__isnull=not values["paid"]) if "paid" in values else rows


@extend_schema_view(
    list=extend_schema(parameters=[InvoiceFilter]),
    partial_update=extend_schema(request=InvoicePaymentSerializer, responses=InvoiceSerializer),
)
class InvoiceViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Invoice]):
    """Sales on account."""

    scope = "invoices"
    queryset = Invoice.objects.select_related("customer")
    serializer_class = InvoiceSerializer
    filter_class = InvoiceFilter
    lookup_field = "number"
    lookup_value_regex = KEY_IN_ADDRESS

    def create(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        invoice = accounts.save_invoice(invoice=Invoice(**given.validated_data))
        return Response(self.get_serializer(invoice).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, number: str) -> Response:
        invoice = self.get_object()
        given = InvoicePaymentSerializer(invoice, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        for name, value in given.validated_data.items():
            setattr(invoice, name, value)
        return Response(self.get_serializer(accounts.save_invoice(invoice=invoice)).data)
