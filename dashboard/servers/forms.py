"""The form of a monitored server. A password that was typed is never rendered again.

Long: one form, whose fields depend on one another.
"""

from typing import Any

from cryptography import x509
from django import forms
from django.conf import settings
from django.http import QueryDict

from analyzer.errors import BadInput
from analyzer.models import Server
from analyzer.monitored.connection_settings import DSN_KEYS, ConnectionSettings, is_socket_directory
from analyzer.store.secrets import CannotDecrypt
from analyzer.store.servers import is_same_place, replica_of, same_database, stored_settings

BY_FIELDS, BY_DSN = "fields", "dsn"
SSLMODES = (
    ("verify-full", "Encrypted, the server's identity checked (verify-full): best"),
    ("verify-ca", "Encrypted, its certificate checked but not its name (verify-ca)"),
    ("require", "Encrypted, its identity not checked (require)"),
    ("prefer", "Encrypted if the server offers it (prefer): trusted networks only"),
    ("disable", "Not encrypted (disable): trusted networks only"),
)
EXPLAIN_MODES = (
    (
        "analyze",
        "Run them: EXPLAIN ANALYZE",
        "Statements your application has run already, only those that read, inside limits of time and load that you"
        " set below. Shows where the time goes.",
    ),
    ("plain", "Plan them only: EXPLAIN", "Nothing of yours is executed. Plans show estimates, not times."),
    ("off", "Leave them alone", "Statistics only: no plans, fewer findings."),
)
MODE_WORDS = tuple((value, words) for value, words, _ in EXPLAIN_MODES)
# what is done at a server and how often, for all its databases alike
SETTINGS_OF_SERVER = (
    "explain_mode", "sample_interval_s", "explain_budget_s_per_hour", "replica_host", "reads_log",
)  # fmt: skip
WHERE_FIELDS = ("host", "port", "dbname", "user", "password", "sslmode")


class ServerForm(forms.Form):
    """Add or edit. ``clean`` makes ``connection``, what to connect with: the stored password where none was typed."""

    name = forms.CharField(max_length=90, required=False, help_text="Empty: the database on the host.")
    given_by = forms.ChoiceField(
        choices=((BY_FIELDS, "Separate fields"), (BY_DSN, "A connection string")),
        widget=forms.RadioSelect,
        initial=BY_FIELDS,
        label="Where it is, given as",
    )
    dsn = forms.CharField(
        max_length=4000,
        required=False,
        label="Connection string",
        widget=forms.Textarea(
            attrs={"rows": 2, "placeholder": "postgresql://pgloupe:password@db.example.com:5432/app"}
        ),
        help_text=f"A URI or key=value pairs. It may set {', '.join(sorted(DSN_KEYS))}.",
    )
    host = forms.CharField(
        max_length=255, required=False, help_text="A name or an address; the database's own, no pooler's."
    )
    port = forms.IntegerField(min_value=1, max_value=65535, required=False, initial=5432)
    dbname = forms.CharField(max_length=63, required=False, label="Database")
    user = forms.CharField(max_length=63, required=False, label="Login", initial="pgloupe")
    password = forms.CharField(max_length=1000, required=False, strip=False, widget=forms.PasswordInput)
    sslmode = forms.ChoiceField(choices=SSLMODES, initial="require", required=False, label="Encryption")
    sslrootcert = forms.CharField(
        max_length=200_000,
        required=False,
        label="CA certificate",
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "-----BEGIN CERTIFICATE-----"}),
        help_text="PEM text, for verify-ca and verify-full. Empty: the certificates of this machine.",
    )
    requires_channel_binding = forms.BooleanField(
        required=False,
        label="Require channel binding",
        help_text="The login proves that nobody answers in the server's place; not every connection pooler can do it.",
    )
    explain_mode = forms.ChoiceField(
        choices=MODE_WORDS,
        widget=forms.RadioSelect,
        initial="analyze",
        label="Statements that cost the most",
    )
    sample_interval_s = forms.IntegerField(
        min_value=5, max_value=3600, label="Sample every", help_text="seconds, 5 to 3,600"
    )
    explain_budget_s_per_hour = forms.IntegerField(
        min_value=1, max_value=3600, label="Explain at most", help_text="seconds of the server's time per hour"
    )
    cores = forms.IntegerField(
        min_value=1,
        max_value=1024,
        required=False,
        label="CPU cores there",
        help_text="Nothing is executed while more than 0.7 sessions per core are at work. Empty: 8 are assumed for"
        " that, and charts of load have no line for them.",
    )
    disk_gb = forms.FloatField(
        min_value=0.1,
        max_value=10_000_000,
        required=False,
        label="Disk for its databases",
        help_text="In GB; PostgreSQL does not tell. Empty: growth is shown, and not when the disk is full.",
    )
    replica_host = forms.CharField(
        max_length=255,
        required=False,
        label="Explain on a replica",
        help_text="Host of a streaming replica, reached with the same login. Empty: on the server itself.",
    )
    replica_port = forms.IntegerField(min_value=1, max_value=65535, required=False, initial=5432, label="Its port")
    databases_only = forms.CharField(
        max_length=4000,
        required=False,
        label="Look into these databases only",
        help_text="Names or patterns such as tenant_*, separated by commas. Empty: all that have load.",
    )
    databases_not = forms.CharField(
        max_length=4000, required=False, label="Leave these out", help_text="Likewise; counters are read for all."
    )
    reads_log = forms.BooleanField(
        required=False,
        label="Read the server's log",
        help_text="Plans (auto_explain), times and values (log_min_duration_statement) of statements. The login needs"
        " the right to read files of the data directory; the preflight says the commands.",
    )
    is_active = forms.BooleanField(required=False, label="Watch this server", help_text="Off: paused, nothing is read.")

    def __init__(self, data: QueryDict | None = None, *, server: Server | None = None) -> None:
        self.server = server
        super().__init__(data, initial=_initial(server), label_suffix="")
        if server is None:
            del self.fields["is_active"]
        else:
            self.fields["name"].required = True
            self.fields["name"].help_text = ""
            if server.password_encrypted:
                self.fields["password"].help_text = "Unchanged if left empty."
        for name in ("host", "dbname", "user", "dsn", "sslrootcert", "replica_host"):
            self.fields[name].widget.attrs.update(autocomplete="off", autocapitalize="none", spellcheck="false")
        self.fields["password"].widget.attrs["autocomplete"] = "new-password"
        self.connection: ConnectionSettings | None = None

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        others = Server.objects.filter(name__iexact=name)
        if name and (others.exclude(pk=self.server.pk) if self.server else others).exists():
            raise forms.ValidationError("Another server has this name.")
        return name

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"]
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host  # [::1], as in a URI

    def clean_replica_host(self) -> str:
        host: str = self.cleaned_data["replica_host"]
        if is_socket_directory(host) or "," in host:
            raise forms.ValidationError("Give one host name or address.")
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host

    def clean_replica_port(self) -> int:
        return self.cleaned_data["replica_port"] or 5432

    def clean_databases_only(self) -> list[str]:
        return _patterns(self.cleaned_data["databases_only"])

    def clean_databases_not(self) -> list[str]:
        return _patterns(self.cleaned_data["databases_not"])

    def clean_sslrootcert(self) -> str:
        pem: str = self.cleaned_data["sslrootcert"].strip()
        if pem:
            try:
                x509.load_pem_x509_certificates(pem.encode())
            except ValueError:
                raise forms.ValidationError(
                    "This is no certificate. Paste the whole text from -----BEGIN CERTIFICATE----- to the END line."
                ) from None
        return pem

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        given = self._from_dsn(data) if data.get("given_by") == BY_DSN else self._from_fields(data)
        if given is None:
            return data
        other = same_database(given, but=self.server)
        if other is not None:
            self.add_error(self.field_of("dbname"), f"{other.name} watches this database already.")
        if self.is_replica_changed and data.get("replica_host") and self.server and not self._has_typed_password(data):
            # as for the host: else who may edit could have the stored password sent to a machine of his
            self.add_error("password", "Type the password again: the replica changed, and it is sent there.")
        self.connection = given
        return data

    def field_of(self, name: str) -> str:
        """The field in which something about the connection was given: its own, or the connection string."""
        return "dsn" if self.cleaned_data.get("given_by") == BY_DSN else name

    @property
    def replica(self) -> ConnectionSettings | None:
        """Where EXPLAIN is to go; None: to the server itself. After ``clean``."""
        host = self.cleaned_data.get("replica_host")
        if self.connection is None or not host:
            return None
        return replica_of(self.connection, host, self.cleaned_data["replica_port"])

    @property
    def is_replica_changed(self) -> bool:
        stored = (self.server.replica_host, self.server.replica_port) if self.server else ("", 5432)
        given = (self.cleaned_data.get("replica_host", ""), self.cleaned_data.get("replica_port", 5432))
        return stored != given and bool(stored[0] or given[0])

    def _has_typed_password(self, data: dict[str, Any]) -> bool:
        return bool(data.get("password") or (data.get("given_by") == BY_DSN and data.get("dsn")))

    @property
    def is_connection_changed(self) -> bool:
        """Whether what was tested before says nothing about what was given now."""
        if self.server is None or self.connection is None:
            return True
        try:
            return stored_settings(self.server) != self.connection
        except CannotDecrypt:
            return True

    def model_fields(self) -> dict[str, Any]:
        """What is not about the connection, for the store."""
        names = (
            "name", "explain_mode", "sample_interval_s", "explain_budget_s_per_hour", "cores", "disk_gb",
            "replica_host", "replica_port", "reads_log", "is_active", "databases_only", "databases_not",
        )  # fmt: skip
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}

    def differing_from(self, known: Server) -> list[tuple[str, str, str]]:
        """Settings that were typed otherwise than ``known`` has them: the label, that server's, and the typed one."""
        typed = self.model_fields()
        return [
            (str(self.fields[name].label or name), _in_words(getattr(known, name)), _in_words(typed[name]))
            for name in SETTINGS_OF_SERVER
            if typed[name] != getattr(known, name)
        ]

    def shown_again(self) -> "ServerForm":
        """The same with a pasted connection string taken apart into the fields: it holds a password, so it is gone."""
        if not isinstance(self.data, QueryDict) or self.data.get("given_by") != BY_DSN:
            return self
        data = self.data.copy()
        data["dsn"] = ""
        if self.connection is not None:
            data["given_by"] = BY_FIELDS
            for name in WHERE_FIELDS:
                data[name] = "" if name == "password" else str(getattr(self.connection, name))
            if self.connection.requires_channel_binding:
                data["requires_channel_binding"] = "on"
        again = ServerForm(data, server=self.server)
        again._errors = self.errors  # type: ignore[attr-defined]
        again.cleaned_data = self.cleaned_data
        return again

    def _from_dsn(self, data: dict[str, Any]) -> ConnectionSettings | None:
        if not data.get("dsn"):
            if "dsn" not in self.errors:
                self.add_error("dsn", "Paste a connection string, or choose separate fields.")
            return None
        try:
            given = ConnectionSettings.from_dsn(data["dsn"], is_plaintext_checked=True)
            return self._with_certificate_and_password(given, data.get("sslrootcert", ""), "dsn")
        except BadInput as error:
            self.add_error("dsn", f"{error}.")
            return None

    def _from_fields(self, data: dict[str, Any]) -> ConnectionSettings | None:
        for name, words in (("host", "a host name or an address"), ("dbname", "the database"), ("user", "the login")):
            if not data.get(name) and name not in self.errors:
                self.add_error(name, f"Give {words}.")
        if any(name in self.errors for name in (*WHERE_FIELDS, "sslrootcert")):
            return None
        if is_socket_directory(data["host"]) and not (self.server and self.server.host == data["host"]):
            self.add_error("host", "A Unix-socket directory is not allowed here; give a host name or address.")
            return None
        try:
            given = ConnectionSettings(
                host=data["host"],
                port=data["port"] or 5432,
                user=data["user"],
                dbname=data["dbname"],
                password=data["password"],
                sslmode=data["sslmode"] or "require",
                is_plaintext_checked=True,
            )
            return self._with_certificate_and_password(given, data["sslrootcert"], "password")
        except BadInput as error:
            self.add_error("host", f"{error}.")
            return None

    def _with_certificate_and_password(
        self, given: ConnectionSettings, sslrootcert: str, field: str
    ) -> ConnectionSettings | None:
        password = given.password
        if not password and self.server is not None and self.server.password_encrypted:
            if not is_same_place(self.server, given):
                # else who may edit could have the stored password sent to a machine of his
                self.add_error(field, "Type the password again: the host or port changed, and it is sent there.")
                return None
            try:
                password = stored_settings(self.server).password
            except CannotDecrypt as error:
                self.add_error(field, f"{error}.")
                return None
        return ConnectionSettings(
            host=given.host,
            port=given.port,
            user=given.user,
            dbname=given.dbname,
            password=password,
            sslmode=_offered(given.sslmode),
            sslrootcert=sslrootcert,
            requires_channel_binding=given.requires_channel_binding or self.cleaned_data["requires_channel_binding"],
            is_plaintext_checked=True,
        )


def _initial(server: Server | None) -> dict[str, Any]:
    if server is None:
        return {
            "sample_interval_s": settings.ANALYZER_SAMPLE_INTERVAL_S,
            "explain_budget_s_per_hour": settings.ANALYZER_EXPLAIN_BUDGET_S_PER_HOUR,
        }
    names = (
        "name", "host", "port", "dbname", "user", "sslmode", "sslrootcert", "requires_channel_binding", "explain_mode",
        "sample_interval_s", "explain_budget_s_per_hour", "cores", "disk_gb", "replica_host", "replica_port",
        "reads_log", "is_active",
    )  # fmt: skip
    return {name: getattr(server, name) for name in names} | {
        "sslmode": _offered(server.sslmode),
        "databases_only": ", ".join(server.databases_only),
        "databases_not": ", ".join(server.databases_not),
    }


def _in_words(setting: object) -> str:
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    return dict(MODE_WORDS).get(str(setting), str(setting)) or "none"


def _patterns(given: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in given.replace("\n", ",").split(",") if part.strip()))


def _offered(sslmode: str) -> str:
    """``allow`` tries without TLS first: nobody wants that who may have it."""
    return "prefer" if sslmode == "allow" else sslmode
