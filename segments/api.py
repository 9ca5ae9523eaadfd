"""Segments, their members and the catalogue of what can be asked, for reading; and rules, to be counted."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from crm.api.base import Filter, FilterMixin, ModelPermissions, Pages, StrictMixin
from crm.api.errors import CONTENT_TYPE, problem
from crm.attributes import Attribute, catalogue
from crm.attributes import Filter as Narrowing
from segments import asking, text
from segments.models import Membership, Segment
from segments.rules import RuleError, describe, dump, parse, too_deep


class SegmentSerializer(serializers.ModelSerializer):
    """A segment as of its last refresh."""

    members = serializers.IntegerField(source="members_count")
    text = serializers.SerializerMethodField(help_text=_("The rule as text; empty where it cannot be read any more."))

    class Meta:
        model = Segment
        fields = [
            "id",
            "name",
            "description",
            "kind",
            "rule",
            "text",
            "rule_version",
            "is_archived",
            "members",
            "refreshed_at",
        ]

    def get_text(self, segment: Segment) -> str:
        try:
            return text.write(parse(segment.rule))
        except RuleError:
            return ""


class MemberSerializer(serializers.ModelSerializer):
    customer = serializers.CharField(source="customer.number", help_text=_("The customer's number."))

    class Meta:
        model = Membership
        fields = ["customer", "entered_at", "rule_version"]


class SegmentFilter(Filter):
    name = serializers.CharField(required=False)
    kind = serializers.ChoiceField(choices=Segment.Kind.choices, required=False)
    is_archived = serializers.BooleanField(required=False)

    lookups = {"name": "name", "kind": "kind", "is_archived": "is_archived"}


class MemberFilter(Filter):
    customer = serializers.CharField(required=False, help_text=_("A customer number: is this customer in?"))
    entered_since = serializers.DateTimeField(required=False, help_text=_("Came in at this time or later."))

    lookups = {"customer": "customer__number", "entered_since": "entered_at__gte"}


class MemberPermissions(ModelPermissions):
    """Who is in a segment is said to those who may see segments and customers."""

    perms_map = {
        **ModelPermissions.perms_map,
        **{method: ["segments.view_membership", "crm.view_customer"] for method in ("GET", "HEAD")},
    }


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {}}]})
class RuleField(serializers.Field):
    """A rule as text, or as the JSON in which it is stored."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str | dict):
            raise serializers.ValidationError(_("Give the rule as text, or as JSON."))
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class AskSerializer(StrictMixin, serializers.Serializer):
    rule = RuleField(help_text=_('Such as: city = "Riga" and spend(last: 90 days) >= 300'))
    as_of = serializers.DateField(
        required=False,
        help_text=_("Ages and windows are those at the end of this day; not before the newest receipt."),
    )


class CountSerializer(serializers.Serializer):
    """How many customers a rule selects, and the rule in each of its forms."""

    members = serializers.IntegerField()
    text = serializers.CharField()
    sentence = serializers.CharField(help_text=_("The rule in plain words."))
    rule = serializers.JSONField(help_text=_("As a segment keeps it."))


class AskPermissions(ModelPermissions):
    """To count a rule is to read segments, though the rule comes in a POST."""

    perms_map = {**ModelPermissions.perms_map, "POST": ["segments.view_segment"]}


class AttributeSerializer(serializers.Serializer):
    """What can be asked of a customer: an entry of the catalogue."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not the field's label
    help = serializers.CharField()
    group = serializers.CharField()
    type = serializers.CharField()
    unit = serializers.CharField()
    operators = serializers.ListField(child=serializers.CharField())
    values = serializers.DictField(
        child=serializers.CharField(), allow_null=True, help_text=_("The closed set, if it is one: keys with labels.")
    )
    filters = serializers.ListField(child=serializers.CharField())
    argument = serializers.CharField(allow_null=True, help_text=_("The filter to give first, without its name."))
    events = serializers.DictField(
        child=serializers.CharField(), allow_null=True, help_text=_("What the filter “event” may be: keys with labels.")
    )
    minimum = serializers.IntegerField(allow_null=True)
    maximum = serializers.IntegerField(allow_null=True)
    privacy = serializers.CharField()
    in_messages = serializers.BooleanField()


class MemberPages(Pages):
    ordering = "customer_id"


@extend_schema_view(list=extend_schema(parameters=[SegmentFilter]))
class SegmentViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Segment]):
    """Segments; those of kind "persona" belong to a persona."""

    scope = "segments"
    only_reads = False
    queryset = Segment.objects.all()
    serializer_class = SegmentSerializer
    filter_class = SegmentFilter

    @extend_schema(request=AskSerializer, responses=CountSerializer)
    @action(detail=False, methods=["post"], permission_classes=[AskPermissions], only_reads=True)
    def count(self, request: Request) -> Response:
        """Count the customers whom a rule selects, without keeping it."""
        asked = AskSerializer(data=_data(request))
        asked.is_valid(raise_exception=True)
        rule, as_of = asked.validated_data["rule"], asked.validated_data.get("as_of")
        try:
            node, members = asking.count(rule=rule, now=timezone.now(), as_of=as_of, patience_ms=asking.PATIENCE_MS)
        except RuleError as error:
            told = {"detail": str(error)}
            answer = problem(400, told) | {"errors": {"rule": [asking.told(one) for one in error.problems]}}
            return Response(answer, status=400, content_type=CONTENT_TYPE)
        except asking.TooEarly as error:
            raise serializers.ValidationError({"as_of": [str(error)]}) from None
        except asking.TooSlow as error:
            raise serializers.ValidationError({"rule": [str(error)]}) from None
        answer = {"members": members, "text": text.write(node), "sentence": describe(node), "rule": dump(node)}
        return Response(CountSerializer(answer).data)


def _data(request: Request) -> Any:
    try:
        return request.data
    except RecursionError:
        raise serializers.ValidationError({"rule": [too_deep()]}) from None


class AttributeViewSet(viewsets.ViewSet):
    """The catalogue: everything that can be asked of a customer in a rule."""

    scope = "segments"
    queryset = Segment.objects.none()
    permission_classes: list[type[BasePermission]] = [ModelPermissions]

    @extend_schema(responses=AttributeSerializer(many=True))
    def list(self, request: Request) -> Response:
        """All of them, in the order in which the builder offers them."""
        return Response([_attribute(one) for one in catalogue().values()])


def _attribute(attribute: Attribute) -> dict[str, Any]:
    return {
        "name": attribute.name,
        "label": str(attribute.label),
        "help": str(attribute.help),
        "group": str(attribute.group.label),
        "type": str(attribute.type),
        "unit": str(attribute.unit),
        "operators": list(attribute.operators),
        "values": {key: str(label) for key, label in attribute.values.items()} if attribute.values else None,
        "filters": [str(name) for name in Narrowing if name in attribute.filters],
        "argument": str(attribute.argument) if attribute.argument else None,
        "events": {key: str(label) for key, label in attribute.events.items()} if attribute.events else None,
        "minimum": attribute.minimum,
        "maximum": attribute.maximum,
        "privacy": str(attribute.privacy),
        "in_messages": attribute.in_messages,
    }


@extend_schema_view(list=extend_schema(parameters=[MemberFilter]))
class MemberViewSet(FilterMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Membership]):
    """Who is in a segment now, and since when."""

    scope = "segments"
    queryset = Membership.objects.select_related("customer")
    serializer_class = MemberSerializer
    permission_classes: list[type[BasePermission]] = [MemberPermissions]
    pagination_class = MemberPages
    filter_class = MemberFilter

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        segment = get_object_or_404(Segment, pk=self.kwargs["segment"])
        return super().filter_queryset(queryset.filter(segment=segment))
