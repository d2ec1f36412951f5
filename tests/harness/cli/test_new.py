"""Files to begin with: they pass `check` as they stand, and nothing is overwritten."""

from __future__ import annotations

import pytest

from attention_harness.cli.app import main
from attention_harness.cli.new import FORMS, FRAMEWORKS, TEMPLATES
from attention_harness.frameworks import installed
from attention_harness.registry.loading import load


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_a_template_for_each_form_and_framework():
    names = {file.name for file in TEMPLATES.iterdir()}
    assert names == {f"{form}_{framework}.py.txt" for form in FORMS for framework in FRAMEWORKS}


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("form", FORMS)
def test_a_new_file_passes_the_check_that_it_names(form, framework, folder, capsys):
    if reason := installed(framework):
        pytest.skip(reason)
    assert main(["new", "mine", "--framework", framework, "--form", form]) == 0
    assert capsys.readouterr().out == f"mine.py is written. Next: attention-harness check mine.py:{form} --quick\n"
    text = (folder / "mine.py").read_text()
    assert f"attention-harness check mine.py:{form} --quick" in text
    description = load(f"mine.py:{form}", str(folder / f"mine.py:{form}"))[1]
    assert (description.framework, description.spec) == (framework, form.replace("_", "-"))
    assert set(description.dtypes) == {"float32", "float64", "bfloat16", "float16"}
    assert main(["check", f"mine.py:{form}", "--quick", "--output", "run"]) == 0


def test_a_folder_and_the_ending_may_be_named(folder):
    (folder / "kernels").mkdir()
    assert main(["new", "kernels/v1.2.py"]) == main(["new", "kernels/second"]) == 0
    assert {file.name for file in (folder / "kernels").iterdir()} == {"v1.2.py", "second.py"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["there"], "name=there.py, but should be a new file: this one is there already"),
        (["nowhere/mine"], "name=nowhere/mine.py, but should be a file that can be written: No such file or directory"),
        (["mine", "--framework", "abacus"], "framework=abacus, but should be one of numpy, torch, jax"),
        (["mine", "--form", "layer"], "form=layer, but should be one of attention, multi_head, merge"),
    ],
)
def test_a_bad_call_gets_one_line_and_writes_nothing(words, line, folder, capsys):
    (folder / "there.py").write_text("mine = 1\n")
    assert main(["new", *words]) == 2
    assert capsys.readouterr().err == f"attention-harness: {line}\n"
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [("there.py", "mine = 1\n")]
