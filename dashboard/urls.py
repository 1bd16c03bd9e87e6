"""Every page's address."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path

from dashboard.views import findings, health, login, overview, plan, reports, servers, statement, statements

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("_findings/", overview.findings_now, name="overview_findings"),
    path("servers/", servers.servers, name="servers"),
    path("servers/<slug:server>/", servers.server, name="server"),
    path("servers/<slug:server>/_now/", servers.server_now, name="server_now"),
    path("servers/<slug:server>/statements/", statements.statements, name="statements"),
    path("servers/<slug:server>/statements/<str:fingerprint>/", statement.statement, name="statement"),
    path("statements/", statements.all_statements, name="all_statements"),
    path("plans/<int:pk>/", plan.plan, name="plan"),
    path("findings/", findings.findings, name="findings"),
    path("findings/<int:pk>/", findings.finding, name="finding"),
    path("findings/<int:pk>/mute/", findings.mute, name="mute"),
    path("findings/<int:pk>/unmute/", findings.unmute, name="unmute"),
    path("health/", health.health, name="health"),
    path("login/", login.Login.as_view(), name="login"),
    path("login/once/<str:token>/", login.login_once, name="login_once"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/password/", login.password, name="password"),
    path("report/", reports.report, name="report"),
    path("report/preview/", reports.preview_html, name="report_preview_html"),
    path("report/send/", reports.send_now, name="report_send"),
    path("report/settings/", reports.report_settings, name="report_settings"),
    path("report/mails/<int:pk>/", reports.mail, name="report_mail"),
    path("report/mails/<int:pk>/html/", reports.mail_html, name="report_mail_html"),
    path("report/mails/<int:pk>/retry/", reports.try_again, name="report_mail_retry"),
    path("report/unsubscribe/<str:token>/", reports.unsubscribe, name="report_unsubscribe"),
    path("admin/", admin.site.urls),
]
