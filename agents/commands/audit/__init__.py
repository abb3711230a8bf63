"""Proof, record by record, that nothing was lost, doubled or reordered."""

from agents.commands.audit.auditing import AuditOptions, audit_pipeline
from agents.commands.audit.report import AgentReport, Culprit, Problem, Report

__all__ = ["AgentReport", "AuditOptions", "Culprit", "Problem", "Report", "audit_pipeline"]
