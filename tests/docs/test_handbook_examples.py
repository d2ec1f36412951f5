"""The examples of README and of the handbook: each command prints what stands below it, and code to paste can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from typer.main import get_command

from attention_harness.cli.app import app
from attention_harness.runs.check_attention import check_attention
from attention_specs.contract import ATTRIBUTES, Conventions
from attention_specs.precision import named_precision

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
FIRST = DOCS / "tutorial" / "first-check.md"
TILED, REPEATED = (
    "np.tile(a, (1, q.shape[1] // max(k.shape[1], 1), 1, 1))",
    "np.repeat(a, q.shape[1] // max(k.shape[1], 1), axis=1)",
)
POWERS, NEEDLESS = "    powers = ", "    for _ in range(3):\n        np.exp(scores)\n"
CAUSAL = "np.tri(*scores.shape[-2:], dtype=bool)"
BOTTOM_RIGHT = "np.tri(*scores.shape[-2:], scores.shape[-1] - scores.shape[-2], dtype=bool)"


def blocks(page, kind):
    """The texts of the fenced blocks of that kind, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


MINE = blocks(FIRST, "python")[0]
CORRECTED = MINE.replace(TILED, REPEATED)


def steps(block):
    """Each command of a block with its output."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)


def timeless(text):
    """The text without the parts that a machine decides: times and ratios, the rows of a timing and their order."""
    rows = re.sub(r"^gpt2-small-128 .*$", "a row", text, flags=re.MULTILINE)
    return re.sub(r" {2,}", "  ", re.sub(r"\d+\.\d+", "#", rows))


def caseless(text):
    """The text without numbers and problems: a busy machine has less time to make a failure small."""
    return re.sub(r"\[B=.*\]|\[[\d,]+\]=.*?(?= \[)|-[0-9a-f]{12}(?=\.json)", "#", text)


def run(folder, block, known=str):
    """Runs the commands of a block, and compares what they print with the lines below; a line of dots stands for any lines.

    `known` makes of both texts the part that is known before.
    """
    status = 0
    for command, expected in steps(block):
        if command == "echo $?":
            assert expected == f"{status}\n"
            continue
        program, *arguments = shlex.split(command)
        assert program == "attention-harness"
        ran = attention_harness(folder, arguments)
        status = ran.returncode
        pattern = re.escape(known(expected)).replace(re.escape("...\n"), r"(?:.*\n)*?")
        assert re.fullmatch(pattern, known(ran.stdout)), f"$ {command}\n{ran.stdout}{ran.stderr}"


def attention_harness(folder, arguments):
    """The ended command."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "attention_harness", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_the_function_of_the_front_page_is_that_of_the_first_check():
    assert blocks(README, "python")[0] == MINE
    check, _, again = blocks(FIRST, "console")
    assert blocks(README, "console")[0] in check
    cases = re.search(r"([\d,]+)\nmine\.py:attention agrees", again).group(1)
    assert f"the corrected file agrees in {cases} judgements" in " ".join(README.read_text(encoding="utf-8").split())


def test_the_function_can_be_corrected():
    assert TILED in MINE
    assert POWERS in MINE
    assert CAUSAL in MINE


@pytest.mark.slow
def test_the_first_check(tmp_path):
    check, replay, again = blocks(FIRST, "console")
    (tmp_path / "mine.py").write_text(MINE)
    run(tmp_path, check)
    own, others = replay[: replay.rindex("$ ")], replay[replay.rindex("$ ") :]
    run(tmp_path, own)
    if "unavailable" not in attention_harness(tmp_path, ["list", "torch-sdpa-math"]).stdout:
        run(tmp_path, others)
    (tmp_path / "mine.py").write_text(CORRECTED)
    run(tmp_path, again)


@pytest.mark.slow
def test_a_wrong_function_in_torch(tmp_path):
    pytest.importorskip("torch")
    page = DOCS / "tutorial" / "torch-function.md"
    wrong, better, line = blocks(page, "python")
    check, again, last, timing = blocks(page, "console")
    (tmp_path / "mine.py").write_text(wrong)
    run(tmp_path, check, caseless)
    (tmp_path / "mine.py").write_text(better)
    run(tmp_path, again, caseless)
    (tmp_path / "mine.py").write_text(re.sub(r"^    s = q .*\n", line, better, flags=re.MULTILINE))
    run(tmp_path, last)
    run(tmp_path, timing, timeless)
    assert all((tmp_path / folder / "report.html").is_file() for folder in ("run", "second", "corrected", "timing"))


@pytest.mark.slow
def test_two_runs_are_compared(tmp_path):
    before, after = blocks(DOCS / "guide" / "compare.md", "console")
    (tmp_path / "mine.py").write_text(CORRECTED)
    run(tmp_path, before, timeless)
    (tmp_path / "mine.py").write_text(CORRECTED.replace(POWERS, NEEDLESS + POWERS))
    try:
        run(tmp_path, after, timeless)
    except AssertionError as error:
        if "undecided" in str(error):
            pytest.skip(f"this machine is too busy to decide: {error}")
        raise


@pytest.mark.slow
def test_faults_of_ones_own(tmp_path):
    page = DOCS / "guide" / "audit.md"
    (tmp_path / "mine.py").write_text(CORRECTED)
    (tmp_path / "mutants.py").write_text(blocks(page, "python")[0])
    run(tmp_path, blocks(page, "console")[0])


@pytest.mark.slow
def test_probe(tmp_path):
    (tmp_path / "mine.py").write_text(CORRECTED.replace(CAUSAL, BOTTOM_RIGHT))
    run(tmp_path, blocks(DOCS / "guide" / "probe.md", "console")[0])


@pytest.mark.slow
def test_packed_and_paged_calls(tmp_path):
    page = DOCS / "guide" / "forms.md"
    wrong, right = blocks(page, "console")
    function = blocks(page, "python")[0]
    (tmp_path / "paged.py").write_text(function)
    run(tmp_path, wrong)
    rounded_down, rounded_up = ": length // k_cache.shape[1]]", ": -(-length // k_cache.shape[1])]"
    assert rounded_down in function
    (tmp_path / "paged.py").write_text(function.replace(rounded_down, rounded_up))
    run(tmp_path, right)


@pytest.mark.slow
def test_a_layer(tmp_path):
    run(tmp_path, blocks(DOCS / "tutorial" / "layer.md", "console")[0])


@pytest.mark.slow
def test_parts_are_merged_and_a_cache_is_read(tmp_path):
    page = DOCS / "guide" / "serving.md"
    parts = next(text for text in blocks(page, "python") if text.startswith("def merge"))
    (tmp_path / "parts.py").write_text(f"import numpy as np\n\n\n{parts}")
    for block in blocks(page, "console"):
        run(tmp_path, block)


@pytest.mark.slow
def test_a_module(tmp_path):
    pytest.importorskip("torch")
    page = DOCS / "tutorial" / "layer.md"
    _, wrong, right = blocks(page, "console")
    code, bug = blocks(page, "python")[0], "math.sqrt(self.d_k * self.num_heads)"
    assert bug in code
    (tmp_path / "mha.py").write_text(code)
    run(tmp_path, wrong)
    (tmp_path / "mha.py").write_text(code.replace(bug, "math.sqrt(self.d_k)"))
    run(tmp_path, right)


def test_code_of_the_page_about_pytest_can_be_pasted(tmp_path):
    (tmp_path / "mine.py").write_text(CORRECTED)
    assertion, decorator, strategy = blocks(DOCS / "tutorial" / "pytest.md", "python")
    for number, text in enumerate((assertion, decorator, strategy)):
        (tmp_path / f"test_{number}.py").write_text(text)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_0.py", "test_2.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert "2 passed" in ran.stdout, ran.stdout
    command = [*command[:6], "--collect-only", "test_1.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert "test_conforms[" in ran.stdout, ran.stdout


ROW_SUM = " - (w * dp).sum(-1, keepdim=True)"


@pytest.mark.parametrize(("left_out", "rejects"), [("", set()), (ROW_SUM, {"G2"})])
def test_a_backward_pass_of_its_own_is_judged(left_out, rejects):
    pytest.importorskip("torch")
    (text,) = [text for text in blocks(DOCS / "guide" / "declare.md", "python") if "def backward" in text]
    assert ROW_SUM in text
    exec(text.replace(left_out, ""), own := {})
    result = check_attention(own["attention"], framework="torch", properties=["G1", "G2"], examples=20)
    assert {failure.id for failure in result.failures} == rejects, result
    assert {row.property for row in result.rows if row.outcome in ("agrees", "violates")} == {
        "gradient_has_the_shape_and_dtype_of_its_argument", "gradients_agree_with_the_oracle",
    }  # fmt: skip


PAGES = [README, *sorted(path for path in DOCS.rglob("*.md") if "generated" not in path.parts)]
COMMAND = re.compile(r"attention-harness ([a-z]+)((?:\s+[^\s`|]+)*)")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_its_commands_and_options_exist(page):
    known = {name: {flag for one in command.params for flag in one.opts} for name, command in get_command(app).commands.items()}
    for name, arguments in COMMAND.findall(re.sub(r"\\\n", " ", page.read_text(encoding="utf-8"))):
        if name in known:
            options = set(re.findall(r"(?<![\w-])--[a-z-]+", arguments.partition("\n")[0]))
            assert options - known[name] - {"--help"} == set(), f"{name} {arguments}"


@each_page
def test_its_python_is_python(page):
    for text in blocks(page, "python"):
        if not text.startswith(">>>"):
            compile(dedent(text), str(page), "exec")


@pytest.mark.parametrize("page", ["guide/declare.md", "guide/serving.md", "tutorial/gpu.md"])
def test_its_declarations_are_valid(page):
    def attention(q, k, v, *, attn_mask=None):
        return q

    for text in blocks(DOCS / page, "python"):
        exec(text, {"attention": attention})
    assert set(vars(attention)) <= set(ATTRIBUTES)
    Conventions.declared(getattr(attention, "conventions", {}))
    for dtype, model in getattr(attention, "precision", {}).items():
        named_precision(model, dtype)
