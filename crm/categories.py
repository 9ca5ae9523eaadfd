"""The tree of categories: a category's path names it from the root, and profiles count sales at every level of it."""

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q, Value
from django.db.models.functions import Concat, Substr
from django.utils.translation import gettext as _

from crm import bell, marks, profiles
from crm.models import Category, CustomerCategory, Product
from crm.text import clean

SEPARATOR = Category.SEPARATOR


def check_category(*, category: Category, name: str, parent: Category | None) -> str:
    """The path that the category would have under this name and parent. Raises ValidationError where it can't."""
    name = clean(name)
    if SEPARATOR.strip() in name:
        raise ValidationError({"name": _("A name can't contain “>”, which parts the levels of the path.")})
    if category.pk and parent and f"{parent.path}{SEPARATOR}".startswith(f"{category.path}{SEPARATOR}"):
        raise ValidationError({"parent": _("A category can't lie below itself.")})
    path = f"{parent.path}{SEPARATOR}{name}" if parent else name
    if Category.objects.filter(path=path).exclude(pk=category.pk).exists():
        raise ValidationError({"name": _("There is a category %(path)s already.") % {"path": path}})
    return path


def save_category(*, category: Category, name: str, parent: Category | None) -> Category:
    """Add, rename or move a category with all that follows.

    The paths below it change with its own; where it moved, what its buyers bought of each category is counted again.
    Raises ValidationError.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:  # one change of the tree at a time: two moves at once could close a circle
            cursor.execute("LOCK TABLE crm_category IN SHARE ROW EXCLUSIVE MODE")
        before = Category.objects.filter(pk=category.pk).first() if category.pk else None
        if parent:
            parent = Category.objects.get(pk=parent.pk)
        if before and before.parent_id != (parent.pk if parent else None):
            within = Q(category=before) | Q(category__path__startswith=before.path + SEPARATOR)
            profiles.hold_products(products=Product.objects.filter(within))
        category.path = check_category(category=before or category, name=name, parent=parent)
        category.name, category.parent = clean(name), parent
        category.full_clean()
        category.save()
        if before:
            below = Category.objects.filter(path__startswith=before.path + SEPARATOR)
            below.update(path=Concat(Value(category.path), Substr("path", len(before.path) + 1)))
            if before.parent_id != category.parent_id:
                _count_again(category)
    return category


def _count_again(category: Category) -> None:
    buyers = list(CustomerCategory.objects.filter(category=category).values_list("customer_id", flat=True))
    profiles.recount(customer_ids=buyers)
    marks.mark_customers(customer_ids=buyers)
    bell.ring_after_commit("segments.tasks.refresh_marked")
