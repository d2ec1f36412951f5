"""The report's tables. Every module in this folder is loaded."""

from importlib import import_module
from pkgutil import iter_modules

from attention_reports.registry import LISTED, TABLES, table, tabulate

__all__ = ["LISTED", "TABLES", "table", "tabulate"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
