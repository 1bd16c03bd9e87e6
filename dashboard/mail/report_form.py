"""The form behind a person's nightly mail."""

from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.models import User

from analyzer.models import ReportSubscription, Server
from dashboard.mail.queue import is_by_smtp

# Old names of zones and ones that are no place: each place has a proper name besides.
NO_PLACES = ("Etc/", "SystemV/", "US/", "posix/", "right/")


@cache
def zone_names() -> tuple[str, ...]:
    places = sorted(z for z in available_timezones() if "/" in z and not z.startswith(NO_PLACES))
    return ("UTC", *places)


def first_settings(user: User) -> ReportSubscription:
    """What the form shows a person who has chosen nothing yet; not saved."""
    address = user.email or ("" if is_by_smtp() else f"{user.get_username()}@localhost")
    return ReportSubscription(user=user, address=address, time_zone=settings.TIME_ZONE, is_active=False)


if TYPE_CHECKING:  # Django's forms are generic in its stubs alone
    _ModelForm = forms.ModelForm[ReportSubscription]
else:
    _ModelForm = forms.ModelForm


class ReportForm(_ModelForm):
    hour = forms.TypedChoiceField(choices=[(h, f"{h:02}:00") for h in range(24)], coerce=int)
    time_zone = forms.ChoiceField(choices=lambda: [(z, z.replace("_", " ")) for z in zone_names()])
    all_servers = forms.TypedChoiceField(
        choices=[("all", "All servers, also those added later"), ("some", "Only these")],
        coerce=lambda choice: choice == "all",
        widget=forms.RadioSelect,
    )
    servers = forms.ModelMultipleChoiceField(
        Server.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
    )
    quiet_nights = forms.ChoiceField(choices=ReportSubscription.Quiet.choices, widget=forms.RadioSelect)

    class Meta:
        model = ReportSubscription
        fields = ("address", "hour", "time_zone", "all_servers", "servers", "quiet_nights")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"].widget.attrs["autocomplete"] = "email"
        if not self.is_bound:
            self.initial["all_servers"] = "all" if self.instance.all_servers else "some"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("all_servers") and not cleaned.get("servers"):
            self.add_error("servers", "Choose at least one server, or all of them.")
        return cleaned
