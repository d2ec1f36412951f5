"""Words that a shell completes, and the script that asks for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from attention_harness.cli import help as completion
from attention_harness.cli.app import main

ASKED = "import sys; sys.argv = ['attention-harness']; from attention_harness.cli.app import command; command()"


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_each_shell_has_a_script(shell, capsys):
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"{completion.VARIABLE}=complete_{shell}" in script and completion.COMMAND in script
    if path := shutil.which(shell):
        assert subprocess.run([path, "-n"], input=script, text=True, capture_output=True, timeout=30).stderr == ""


def test_another_shell_is_a_wrong_call(capsys):
    assert main(["--print-completion", "tcsh"]) == 2
    assert "print-completion=tcsh, but should be one of bash, zsh, fish" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["prob"], ["probe"]),
        (["check", "numpy-multi"], ["numpy-multi-head"]),
        (["check", "--fail"], ["--fail-fast"]),
        (["bench", "--workload", "gpt2-small-1"], ["gpt2-small-128"]),
    ],
)
def test_words_are_completed(words, wanted):
    line = {"COMP_WORDS": " ".join(["attention-harness", *words]), "COMP_CWORD": str(len(words))}
    asked = os.environ | line | {completion.VARIABLE: "complete_bash"}
    answer = subprocess.run([sys.executable, "-c", ASKED], env=asked, text=True, capture_output=True, timeout=60)
    assert answer.stdout.split() == wanted


def test_properties_are_completed_by_name_and_id():
    assert completion.properties("output_agrees") == ["output_agrees_with_the_oracle"]
    assert {"P1", "P17"} <= {*completion.properties("P1")} and completion.implementations("nobody") == []
