"""The report's tables. A module in this folder is found by being here."""

from importlib import import_module
from pkgutil import iter_modules

from attention_reports.registry import LISTED, TABLES, table, tabulate

__all__ = ["LISTED", "TABLES", "table", "tabulate"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
