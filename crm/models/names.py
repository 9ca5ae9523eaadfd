"""Under which words customers are found: kept by triggers, as :attr:`Customer.name_words` has them."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer

LONGEST_KEY = 120
LONGEST_WORD = 50


class CustomerName(models.Model):
    """A live customer's name, begun at one of its words: "anna ozola" and "ozola anna".

    So whatever is typed of a name, in whichever order, is the beginning of a key, and the best ten of a hundred
    thousand are the first ten of a range in the index.
    """

    pk = models.CompositePrimaryKey("key", "customer_id")
    key = models.CharField(max_length=LONGEST_KEY, db_collation="C")
    customer = models.ForeignKey(Customer, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")

    class Meta:
        verbose_name = _("name of a customer")
        verbose_name_plural = _("names of customers")
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class NameWord(models.Model):
    """A word that occurs in the name of a live customer, once: where mistyped words look for what was meant."""

    word = models.CharField(max_length=LONGEST_WORD, db_collation="C", primary_key=True)

    class Meta:
        verbose_name = _("word of a name")
        verbose_name_plural = _("words of names")
        default_permissions = ()
        indexes = [
            GinIndex(name="name_word_mistyped", fields=["word"], opclasses=["gin_trgm_ops"]),
            models.Index(Func(F("word"), function="crm_name_sound"), name="name_word_sound"),
        ]

    def __str__(self) -> str:
        return self.word
