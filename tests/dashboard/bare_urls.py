"""The dashboard's URLs and a view that says nothing of who may open it."""

from django.http import HttpResponse
from django.urls import path

from dashboard.urls import urlpatterns as dashboards_own

urlpatterns = [*dashboards_own, path("bare/", lambda request: HttpResponse("bare"), name="bare")]
