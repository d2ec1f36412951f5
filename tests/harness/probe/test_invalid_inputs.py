"""A probe that cannot be made says so in one line."""

from __future__ import annotations

import pytest

from attention_harness.cli.app import main

BAD_CALLS = [
    (["nothing-like-this"], "target=nothing-like-this, but should be"), (["numpy-*"], "target=numpy-*, but should be one of numpy-"),
    (["numpy-eager", "--timeout", "0"], "timeout=0.0, but should be above 0"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), BAD_CALLS)
def test_a_bad_call_is_one_line(words, message, capsys):
    assert main(["probe", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
