"""Every page's address."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path

from dashboard.findings import check_views as checks
from dashboard.findings import costs
from dashboard.findings import rewrite_views as rewrites
from dashboard.findings import views as findings
from dashboard.health import views as health
from dashboard.indexes import plan_views as suggestion_plans
from dashboard.indexes import suggestion_views as suggestion
from dashboard.indexes import views as indexes
from dashboard.indexes import what_if_views as what_if
from dashboard.mail import views as reports
from dashboard.people import audit_views as audit
from dashboard.people import login_session_views as login_sessions
from dashboard.people import login_views as login
from dashboard.people import user_views as users
from dashboard.servers import form_views as server_form
from dashboard.servers import merge_views as server_merge
from dashboard.servers import overview_views as overview
from dashboard.servers import routes
from dashboard.servers import session_views as server_sessions
from dashboard.servers import views as servers
from dashboard.statements import list_view as statements
from dashboard.statements import log_reader, plan_reader
from dashboard.statements import plan_view as plan
from dashboard.statements import statement_view as statement
from dashboard.tables import list_view as tables
from dashboard.tables import table_view as table

handler400 = "dashboard.error_views.bad_request"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("_findings/", overview.findings_now, name="overview_findings"),
    path("servers/", servers.servers, name="servers"),
    path("servers/add/", server_form.add, name="server_add"),
    path("servers/<slug:server>/", servers.server, name="server"),
    path("servers/<slug:server>/edit/", server_form.edit, name="server_edit"),
    path("servers/<slug:server>/remove/", server_form.remove, name="server_remove"),
    path("servers/<slug:server>/merge/<slug:other>/", server_merge.merge_server, name="server_merge"),
    path("servers/<slug:server>/_now/", servers.server_now, name="server_now"),
    path("servers/<slug:server>/costs/", costs.costs, name="costs"),
    path("servers/<slug:server>/routes/", routes.routes, name="routes"),
    path("servers/<slug:server>/sessions/", server_sessions.server_sessions, name="server_sessions"),
    path("servers/<slug:server>/statements/", statements.statements, name="statements"),
    path("servers/<slug:server>/statements/<str:fingerprint>/", statement.statement, name="statement"),
    path("servers/<slug:server>/indexes/", indexes.indexes, name="indexes"),
    path("servers/<slug:server>/tables/", tables.tables, name="tables"),
    path("servers/<slug:server>/table/", table.table, name="table"),
    path("tables/", tables.all_tables, name="all_tables"),
    path("indexes/", indexes.all_indexes, name="all_indexes"),
    path("servers/<slug:server>/what-if/", what_if.what_if, name="what_if"),
    path("servers/<slug:server>/query/", what_if.query, name="query"),
    path("statements/", statements.all_statements, name="all_statements"),
    path("plans/", plan_reader.read_plan, name="read_plan"),
    path("logs/", log_reader.read_log, name="read_log"),
    path("plans/<int:pk>/", plan.plan, name="plan"),
    path("plans/<int:pk>/findings/", plan_reader.stored_plan, name="stored_plan"),
    path("findings/", findings.findings, name="findings"),
    path("findings/costs/", costs.all_costs, name="all_costs"),
    path("findings/mute/", findings.mute_all, name="mute_all"),
    path("findings/<int:pk>/", findings.finding, name="finding"),
    path("findings/<int:pk>/rewrites/", rewrites.finding_rewrites, name="finding_rewrites"),
    path("findings/<int:pk>/assign/", findings.assign, name="assign"),
    path("findings/<int:pk>/mute/", findings.mute, name="mute"),
    path("findings/<int:pk>/unmute/", findings.unmute, name="unmute"),
    path("checks/", checks.checks, name="checks"),
    path("checks/<slug:code>/", checks.check, name="check"),
    path("checks/<slug:code>/<slug:server>/", checks.change, name="check_change"),
    path("suggestions/<int:pk>/", suggestion.suggestion, name="suggestion"),
    path("suggestions/<int:pk>/models/", suggestion.models, name="suggestion_models"),
    path("suggestions/<int:pk>/plans/<str:fingerprint>/", suggestion_plans.suggestion_plans, name="suggestion_plans"),
    path("health/", health.health, name="health"),
    path("login/", login.Login.as_view(), name="login"),
    path("login/once/<str:token>/", login.login_once, name="login_once"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("invitation/<str:token>/", login.invitation, name="invitation"),
    path("account/password/", login.password, name="password"),
    path("account/password/reset/", login.password_reset, name="password_reset"),
    path("account/password/reset/sent/", login.password_reset_sent, name="password_reset_sent"),
    path(
        "account/password/reset/<str:uidb64>/<str:token>/",
        login.PasswordResetConfirm.as_view(),
        name="password_reset_confirm",
    ),
    path("account/sessions/", login_sessions.sessions, name="sessions"),
    path("account/sessions/<int:pk>/end/", login_sessions.end, name="session_end"),
    path("account/sessions/end-others/", login_sessions.end_others, name="sessions_end_others"),
    path("users/", users.users, name="users"),
    path("users/invite/", users.invite, name="user_invite"),
    path("users/invitations/<int:pk>/withdraw/", users.withdraw, name="invitation_withdraw"),
    path("users/<int:pk>/role/", users.role, name="user_role"),
    path("users/<int:pk>/active/", users.active, name="user_active"),
    path("users/<int:pk>/link/", users.link, name="user_link"),
    path("audit/", audit.audit, name="audit"),
    path("audit/explain/", audit.explain, name="audit_explain"),
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
