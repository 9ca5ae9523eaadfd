"""Segments and their members, for reading."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import BasePermission

from crm.api.base import Filter, FilterMixin, ModelPermissions, Pages
from segments.models import Membership, Segment


class SegmentSerializer(serializers.ModelSerializer):
    """A segment as of its last refresh."""

    members = serializers.IntegerField(source="members_count")

    class Meta:
        model = Segment
        fields = [
            "id",
            "name",
            "description",
            "kind",
            "rule",
            "rule_version",
            "is_archived",
            "members",
            "refreshed_at",
        ]


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


class MemberPages(Pages):
    ordering = "customer_id"


@extend_schema_view(list=extend_schema(parameters=[SegmentFilter]))
class SegmentViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Segment]):
    """Segments; those of kind "persona" belong to a persona."""

    scope = "segments"
    queryset = Segment.objects.all()
    serializer_class = SegmentSerializer
    filter_class = SegmentFilter


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
