from django.apps import AppConfig


class Library(AppConfig):
    name = "tests.apps.library"
    label = "library"
