"""What customers did besides buying: visits, wishes, reviews, sign-ups, answers; and what staff noted."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer
from crm.models.shop import Product


class WebVisit(models.Model):
    client_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True, related_name="visits", db_index=False)
    product = models.ForeignKey(
        Product, models.PROTECT, null=True, blank=True, related_name="viewed_by", verbose_name=_("product")
    )
    visitor = models.CharField(
        _("visitor"), max_length=64, help_text=_("The browser's own key, until a customer is known.")
    )
    path = models.CharField(_("page"), max_length=1000)
    referrer = models.CharField(_("came from"), max_length=1000, blank=True)
    visited_at = models.DateTimeField(_("when"))
    visited_on = models.DateField(_("day"))

    class Meta:
        verbose_name = _("visit")
        verbose_name_plural = _("visits")
        indexes = [
            models.Index(
                name="visit_by_customer", fields=["customer", "visited_on"], condition=Q(customer__isnull=False)
            ),
            models.Index(name="visit_by_day", fields=["visited_on"], condition=Q(customer__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.path


class WishlistItem(models.Model):
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="wishlist")
    product = models.ForeignKey(Product, models.PROTECT, related_name="wished_by")
    added_at = models.DateTimeField(_("added"))
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)

    class Meta:
        verbose_name = _("wishlist item")
        verbose_name_plural = _("wishlist items")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "product"], condition=Q(removed_at=None), name="wish_once_at_a_time"
            )
        ]
        indexes = [models.Index(name="wish_by_time", fields=["added_at"])]

    def __str__(self) -> str:
        return str(self.product)


class Review(models.Model):
    client_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="reviews")
    product = models.ForeignKey(Product, models.PROTECT, related_name="reviews")
    rating = models.PositiveSmallIntegerField(_("rating"), validators=[MinValueValidator(1), MaxValueValidator(5)])
    text = models.TextField(_("text"), blank=True)
    written_at = models.DateTimeField(_("written"))

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        constraints = [models.CheckConstraint(condition=Q(rating__range=(1, 5)), name="review_rating_one_to_five")]
        indexes = [models.Index(name="review_by_time", fields=["written_at"])]

    def __str__(self) -> str:
        return f"{self.rating}/5"


class SignupForm(models.Model):
    slug = models.SlugField(_("address"), unique=True)
    title = models.CharField(_("title"), max_length=200)
    goal = models.CharField(_("what people come for"), max_length=100, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("sign-up form")
        verbose_name_plural = _("sign-up forms")

    def __str__(self) -> str:
        return self.title


class Survey(models.Model):
    slug = models.SlugField(_("address"), unique=True)
    title = models.CharField(_("title"), max_length=200)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("survey")
        verbose_name_plural = _("surveys")

    def __str__(self) -> str:
        return self.title


class Question(models.Model):
    """What surveys ask. One question may stand in several of them, and be asked again years later."""

    class Privacy(models.TextChoices):
        """As :class:`crm.attributes.Privacy` has it."""

        ORDINARY = "ordinary", _("ordinary")
        SENSITIVE = "sensitive", _("sensitive: kept from shop staff")
        SPECIAL = "special", _("special (politics, health, belief): needs a consent of its own")

    slug = models.SlugField(_("key"), max_length=100, unique=True, allow_unicode=True)
    text = models.CharField(_("question"), max_length=500)
    privacy = models.CharField(_("privacy"), max_length=10, choices=Privacy, default=Privacy.ORDINARY)

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.text or self.slug


class Answer(models.Model):
    """A customer's answer to one question of a survey; the newest one (``answered_at``, then id) counts."""

    client_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    survey = models.ForeignKey(Survey, models.PROTECT, related_name="answers", verbose_name=_("survey"))
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="answers")
    question = models.ForeignKey(
        Question, models.PROTECT, related_name="answers", verbose_name=_("question"), db_index=False
    )
    value = models.CharField(_("answer"), max_length=1000)
    answered_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("answer")
        verbose_name_plural = _("answers")
        indexes = [
            models.Index(
                name="answer_newest_first", fields=["question", "customer", "-answered_at", "-id"], include=["value"]
            )
        ]
        constraints = [models.CheckConstraint(condition=~Q(value=""), name="answer_says_something")]

    def __str__(self) -> str:
        return f"{self.question_id}: {self.value}"


class Note(models.Model):
    """What staff wrote down about a customer. It can be taken away again, by whom is kept."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="notes", verbose_name=_("customer"))
    text = models.TextField(_("note"), max_length=2000)
    written_at = models.DateTimeField(_("written"), db_default=Now(), editable=False)
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("by")
    )
    removed_at = models.DateTimeField(_("removed"), null=True, editable=False)
    removed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        ordering = ["-written_at", "-id"]

    def __str__(self) -> str:
        return self.text[:80]
