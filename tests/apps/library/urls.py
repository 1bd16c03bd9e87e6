from django.contrib import admin
from django.urls import path

from tests.apps.library import views

urlpatterns = [
    path("admin/", admin.site.urls),
    *(path(f"{v.__name__}/<int:k>/", views.page(v), name=v.__name__) for v in (*views.PLANTED, *views.INNOCENT)),
]
