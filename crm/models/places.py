"""Points on the map: degrees of WGS 84, empty where unknown."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


def latitude_field() -> "models.FloatField[float | None, float | None]":
    return models.FloatField(
        _("latitude"), null=True, blank=True, validators=[MinValueValidator(-90), MaxValueValidator(90)]
    )


def longitude_field() -> "models.FloatField[float | None, float | None]":
    return models.FloatField(
        _("longitude"), null=True, blank=True, validators=[MinValueValidator(-180), MaxValueValidator(180)]
    )


class PostcodePlace(models.Model):
    """Where a postcode lies: what a customer's distance is measured from where their own point is unknown."""

    country = models.CharField(_("country"), max_length=2, help_text=_("Two letters, as ISO 3166 has them."))
    postcode = models.CharField(_("postcode"), max_length=20)
    postcode_key = models.CharField(max_length=20, editable=False)
    latitude = models.FloatField(_("latitude"), validators=[MinValueValidator(-90), MaxValueValidator(90)])
    longitude = models.FloatField(_("longitude"), validators=[MinValueValidator(-180), MaxValueValidator(180)])

    class Meta:
        verbose_name = _("place of a postcode")
        verbose_name_plural = _("places of postcodes")
        ordering = ["country", "postcode_key"]
        constraints = [models.UniqueConstraint(fields=["postcode_key", "country"], name="postcode_place_once")]

    def __str__(self) -> str:
        return f"{self.country} {self.postcode}"
