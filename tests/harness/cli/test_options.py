"""Options that are words for a number."""

from __future__ import annotations

import os

import pytest

from attention_harness.cli.options import jobs_of
from attention_harness.errors import UsageError


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not bind processes to cores")
def test_jobs_are_one_for_each_core_that_is_left_to_the_command(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 5, 7})
    assert jobs_of("auto") == 3


def test_jobs_are_one_for_each_core_where_processes_are_not_bound(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for cores, jobs in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert jobs_of("auto") == jobs


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1.5", "Auto"])
def test_jobs_that_are_no_number_are_refused(text):
    with pytest.raises(UsageError, match=f"jobs={text}, but should be a whole number above 0, or auto"):
        jobs_of(text)
