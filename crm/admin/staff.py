"""Staff accounts, roles and API tokens. What may be given to whom is decided in :mod:`crm.staff`."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from crm import staff, tokens
from crm.models import ApiToken

admin.site.unregister([User, Group])


@admin.register(User)
class StaffAdmin(DjangoUserAdmin, ModelAdmin):
    """Accounts of the people who work here. Closes Django's hole: "may change users" meant "may do anything"."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "roles", "is_active", "last_login"]
    list_filter = ["groups", "is_active"]
    search_fields = ["username", "first_name", "last_name", "email"]
    filter_horizontal = []
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["username", "password", "first_name", "last_name", "email"]}),
        (_("What this account may do"), {"fields": ["groups", "is_active"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    superuser_fieldset = (_("Beyond the roles"), {"fields": ["is_superuser", "user_permissions"]})
    add_fieldsets = [
        (None, {"fields": ["username", "first_name", "last_name", "email", "groups", "password1", "password2"]}),
    ]

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, self.superuser_fieldset] if obj and request.user.is_superuser else fieldsets

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or _may_manage(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or _may_manage(request, obj))

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField | None:
        if db_field.name == "groups":
            kwargs["queryset"] = staff.grantable_groups(by=cast(User, request.user))
        field: forms.ModelMultipleChoiceField | None = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field and db_field.name == "groups":
            field.label, field.help_text = _("Roles"), ""
            field.widget = UnfoldAdminCheckboxSelectMultipleWidget(choices=field.choices)
        return field

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        staff.open_back_office(user=form.instance)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, ModelAdmin):
    """The roles, for reading: their permissions come with the program."""


class TokenForm(forms.ModelForm):
    class Meta:
        model = ApiToken
        fields = ["name", "user", "scopes", "expires_on"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scopes" in self.fields:  # the page of a token that is there shows it, and has no form
            self.fields["scopes"] = forms.MultipleChoiceField(
                choices=tokens.scopes(),
                required=False,
                label=self.fields["scopes"].label,
                help_text=self.fields["scopes"].help_text,
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
            )


@admin.register(ApiToken)
class TokenAdmin(ModelAdmin):
    form = TokenForm
    list_display = ["name", "start", "user", "last_used_on", "expires_on", "created_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = staff.manageable_users(by=cast(User, request.user)).filter(is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """A token is made and deleted; a change would make it act as somebody else."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or _may_manage(request, obj.user))

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        by = cast(User, request.user)  # the admin lets nobody else in
        issued, key = tokens.issue_token(
            user=obj.user, name=obj.name, expires_on=obj.expires_on, by=by, scopes=obj.scopes
        )
        obj.__dict__.update(issued.__dict__)
        messages.warning(request, _("This is the token's key. It is shown only now: %(key)s") % {"key": key})


def _may_manage(request: HttpRequest, user: User) -> bool:
    return isinstance(request.user, User) and staff.may_manage(by=request.user, user=user)
