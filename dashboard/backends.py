"""Django's backend, with the role read together with the user: one query a request, not two."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef


class AccountBackend(ModelBackend):
    def get_user(self, user_id: int) -> User | None:
        in_operators = Group.objects.filter(name="operator", user=OuterRef("pk"))
        user = User.objects.annotate(in_operators=Exists(in_operators)).filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
