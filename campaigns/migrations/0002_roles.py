"""The three roles, with exactly the permissions that they need.

Django makes permissions only after all migrations have run (post_migrate), so this one first makes those of the apps
below it; what it makes is what Django would have made, and Django then finds it there. Run again, it sets the roles
back to this table.
"""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

APPS = ("auth", "crm", "segments", "personas", "campaigns")

TILL = {"crm": ["ring_up_sale", "lookup_customer", "note_request"]}

MARKETING = {
    "crm": [
        "lookup_customer",
        "export_customer",
        "import_customer",
        "merge_customer",
        "add_note",
        "change_note",
        "note_request",
        "view_answer",
        "view_category",
        "view_company",
        "view_consent",
        "view_consentwording",
        "view_customer",
        "view_customfield",
        "view_invoice",
        "view_question",
        "view_customercategory",
        "view_customerprofile",
        "view_datarequest",
        "change_datarequest",
        "view_duplicatepair",
        "change_duplicatepair",
        "view_externalid",
        "view_household",
        "view_job",
        "view_loyaltycard",
        "view_loyaltyentry",
        "view_loyaltyprogramme",
        "view_merge",
        "view_note",
        "view_optin",
        "view_pointsrule",
        "view_product",
        "view_receipt",
        "view_receiptline",
        "view_receiptmail",
        "view_receiptvoid",
        "view_review",
        "view_signupform",
        "view_store",
        "view_survey",
        "view_tier",
        "view_tieraward",
        "view_topic",
        "view_webvisit",
        "view_wishlistitem",
    ],
    "segments": [
        "add_segment",
        "change_segment",
        "view_segment",
        "view_membership",
        "view_membershipevent",
        "view_outofstep",
        "view_segmentversion",
    ],
    "personas": ["view_persona"],
    "campaigns": [
        "launch_campaign",
        "add_campaign",
        "change_campaign",
        "delete_campaign",
        "view_campaign",
        "view_campaignmove",
        "add_variant",
        "change_variant",
        "delete_variant",
        "view_variant",
        "add_coupon",
        "change_coupon",
        "delete_coupon",
        "view_coupon",
        "view_redemption",
        "view_delivery",
        "change_delivery",  # settles what a crash left unclear
        "view_link",
        "view_trackedevent",
    ],
}

# On top of the two above. Facts and what is derived from them can't be edited by anybody; accounts are switched off,
# not deleted, so that "recorded by" keeps its name; nobody but a superuser changes what a role may do.
ADMINISTRATION = {
    "auth": ["add_user", "change_user", "view_user", "view_group"],
    "crm": [f"{action}_{model}" for model in ("customer", "loyaltycard") for action in ("add", "change")]
    + [
        f"{action}_{model}"
        for model in ("category", "company", "externalid", "household", "product", "signupform", "store", "topic")
        for action in ("add", "change", "delete", "view")
    ]
    + ["add_apitoken", "delete_apitoken", "view_apitoken"]
    + [f"{action}_{model}" for model in ("customfield", "question", "survey") for action in ("add", "change", "delete")]
    + ["add_answer", "add_invoice", "change_invoice"]
    + ["add_consent", "add_shop", "change_shop", "view_shop", "view_suppression"]
    + ["import_receipt", "oversee_job", "return_without_receipt", "void_receipt"]
    + ["add_review", "add_webvisit", "add_wishlistitem", "delete_wishlistitem"]
    + ["add_consentwording", "view_auditentry", "view_servicemail", "add_loyaltyentry"]
    + ["add_loyaltyprogramme", "change_loyaltyprogramme"]
    + [f"{action}_{model}" for model in ("pointsrule", "tier") for action in ("add", "change", "delete")],
    "personas": ["add_persona", "change_persona"],  # put aside, not deleted: campaigns refer to them,
}

ROLES = {
    "Shop staff": [TILL],
    "Marketing": [MARKETING],
    "Administrator": [TILL, MARKETING, ADMINISTRATION],
}


def make_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    using = schema_editor.connection.alias
    for label in APPS:
        config = apps.get_app_config(label)
        config.models_module = True  # type: ignore[assignment]  # a migration's app has none, and would be passed over
        create_permissions(config, apps=apps, verbosity=0, using=using)
        config.models_module = None
    Permission = apps.get_model("auth", "Permission")
    known = {
        (label, codename): pk
        for label, codename, pk in Permission.objects.using(using).values_list(
            "content_type__app_label", "codename", "pk"
        )
    }
    for name, tables in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=name)
        # A permission that does not exist is a mistake in the table: the look-up fails, and the migration with it.
        group.permissions.set(
            {known[label, codename] for table in tables for label, codenames in table.items() for codename in codenames}
        )


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("crm", "0002_facts_are_never_edited"),
        ("segments", "0001_initial"),
        ("personas", "0001_initial"),
        ("campaigns", "0001_initial"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
