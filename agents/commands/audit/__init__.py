"""Audit a pipeline record by record: was any lost, doubled or reordered?"""

from agents.commands.audit.agent_audit import AuditOptions
from agents.commands.audit.auditing import audit_pipeline
from agents.commands.audit.report import AgentReport, Culprit, Problem, Report, Verdict

__all__ = [
    "AgentReport",
    "AuditOptions",
    "Culprit",
    "Problem",
    "Report",
    "Verdict",
    "audit_pipeline",
]
