"""The places where the shop sells."""

from django.db import transaction

from crm import bell, marks
from crm.models import Store


def save_store(*, store: Store) -> Store:
    """Keep a store. Where it moves, everybody's distance from it is another: all segments are evaluated anew."""
    with transaction.atomic():
        before = Store.objects.filter(pk=store.pk).values_list("latitude", "longitude").first()
        store.save()
        if before not in (None, (store.latitude, store.longitude)):
            marks.mark_all()
            bell.ring_after_commit("segments.tasks.refresh_due")
    return store
