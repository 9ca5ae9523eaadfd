"""What an administrator adds to what is known of customers."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.models.activity import Question


class CustomField(models.Model):
    """A field of customers that this shop has defined; its values are in :attr:`Customer.custom` under its key.

    Its key and kind stay for good: what is written down under them would change its meaning.
    """

    class Kind(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        CHOICE = "choice", _("one of a list")
        WORDS = "words", _("several words")
        DATE = "date", _("date")
        FLAG = "flag", _("yes or no")

    slug = models.CharField(
        _("key"),
        max_length=50,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z][a-z0-9_]*\Z", _("Use small letters, digits and _, beginning with a letter."))
        ],
        help_text=_("Rules and files call the field custom_ and this. It stays for good."),
    )
    label = models.CharField(_("name"), max_length=100)
    help = models.CharField(_("explanation"), max_length=300, blank=True, default="")
    group = models.CharField(_("group"), max_length=20, default="demographic")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.TEXT)
    choices = ArrayField(
        models.CharField(max_length=100),
        verbose_name=_("values"),
        blank=True,
        default=list,
        help_text=_("Of a list: what can be chosen."),
    )
    unit = models.CharField(_("unit"), max_length=20, blank=True, default="", help_text=_("Of a number: kg, km, years"))
    privacy = models.CharField(_("privacy"), max_length=10, choices=Question.Privacy, default=Question.Privacy.ORDINARY)

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        ordering = ["label", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind="choice") | Q(choices=[]), name="custom_field_choices_of_a_list"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def attribute(self) -> str:
        """What rules and files call it."""
        return f"custom_{self.slug}"
