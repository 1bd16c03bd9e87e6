"""Where a point of the curve stands in its drawing."""

from django import template

from dashboard.indexes.advice_chart import Curve

register = template.Library()


@register.filter
def place_of(curve: Curve, number: int) -> str:
    """ "412.5 80.0": in the drawing's own coordinates."""
    return " ".join(curve.places[number])
