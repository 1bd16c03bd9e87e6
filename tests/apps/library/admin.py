from django.contrib import admin

from tests.apps.library.models import Loan


@admin.register(Loan)
class LoanAdmin(admin.ModelAdmin):
    list_display = ("id", "borrower", "due")
    list_per_page = 30
    list_filter = ("state",)

    def borrower(self, loan):
        return loan.member.name
