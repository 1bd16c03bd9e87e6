"""What the store keeps, apart from the time series (see ``analyzer/store/series/partitions.py`` for those).

Texts are redacted before they come here; passwords and sampled parameter values are encrypted.
"""

from analyzer.models.events import ServerEvent, ServerNews
from analyzer.models.findings import CheckRule, FindingEvent, FindingImpact, FindingRecord
from analyzer.models.people import LoginLink, ReportMail, ReportSubscription
from analyzer.models.plans import ExplainAudit, ExplainState, PlanCause, PlannerPiece, PlanPeriodRecord, PlanRecord
from analyzer.models.readings import LastReading, LogPosition, ModelsMap, SchemaReading, ServerReading, Snapshot
from analyzer.models.servers import Database, Role, Server, StepStatus
from analyzer.models.statements import ParameterSample, Statement, StatementEntry
from analyzer.models.suggestions import AdviceRun, NoSuggestion, SuggestionRecord

__all__ = [
    "AdviceRun",
    "CheckRule",
    "Database",
    "ExplainAudit",
    "ExplainState",
    "FindingEvent",
    "FindingImpact",
    "FindingRecord",
    "LastReading",
    "LogPosition",
    "LoginLink",
    "ModelsMap",
    "NoSuggestion",
    "ParameterSample",
    "PlanCause",
    "PlanPeriodRecord",
    "PlanRecord",
    "PlannerPiece",
    "ReportMail",
    "ReportSubscription",
    "Role",
    "SchemaReading",
    "Server",
    "ServerEvent",
    "ServerNews",
    "ServerReading",
    "Snapshot",
    "Statement",
    "StatementEntry",
    "StepStatus",
    "SuggestionRecord",
]
