"""The checks of a run for services of continuous integration: JUnit XML, a summary in Markdown, annotations."""

from attention_reports.ci.annotations import annotations
from attention_reports.ci.junit import write_junit
from attention_reports.ci.summary import append_summary

__all__ = ["annotations", "append_summary", "write_junit"]
