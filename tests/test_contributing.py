"""The examples of CONTRIBUTING.md work: each one, written into the place that stands above it, adds what it is an example of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("specs", "implementations", "harness", "reports")
DOCUMENT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(
    r"^`([\w./-]+)`, a new (file|function|paragraph|line in `\w+`):\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
LEFT_OUT = shutil.ignore_patterns("example", "generated")

SHOWS = {
    "An implementation": """
from subprocess import run
import sys
told = run([sys.executable, "-m", "attention_harness", "list", "numpy-einsum"], capture_output=True, text=True, check=True).stdout
assert told.startswith("numpy-einsum  numpy ") and told.endswith("  available  scale\\n"), told
""",
    "A property": """
from pathlib import Path
from attention_specs.properties import load_all
from attention_specs.property import PROPERTIES
import attention_specs
load_all()
assert PROPERTIES["negating_the_values_negates_the_output"].id == "R17"
text = (Path(attention_specs.__file__).parents[1] / "attention.md").read_text(encoding="utf-8")
assert "\\n\\n**R17 negating_the_values_negates_the_output.** " in text
""",
    "A mask": """
from attention_harness.generation import shapes, strategies
from attention_harness.generation.sampling import draw
from attention_specs.masks import Mask, strided
assert (~strided(3) & strided(2)).dense(1, 1, 2, 4)[0, 0].tolist() == [[False, False, True, False], [False, False, False, True]]
assert Mask.from_json(strided(3).to_json()) == strided(3)
drawn = draw(strategies.balanced(shapes.pool(0, 4), ("float32",)), 60, 0)
assert "strided" in " ".join(str(case.problem.mask) for case in drawn)
""",
    "A bias": """
from attention_harness.generation import shapes, strategies
from attention_harness.generation.sampling import draw
from attention_specs.biases import Bias, quadratic
assert quadratic(0.5).dense(1, 1, 1, 3)[0, 0].tolist() == [[0.0, -0.5, -2.0]]
assert Bias.from_json(quadratic(0.5).to_json()) == quadratic(0.5)
drawn = draw(strategies.balanced(shapes.pool(0, 4), ("float32",)), 60, 0)
assert "quadratic" in " ".join(str(case.problem.bias) for case in drawn)
""",
    "Values and a memory layout": """
import numpy as np
from attention_harness.generation.strategies import layouts_of
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import DRAWN
from attention_specs.case import Case
assert "quiet_columns" in DRAWN and "every_third_row" in layouts_of("q")
case = Case(Problem(value_dim=4, key_length=5), "quiet_columns", 0, {"v": "every_third_row"})
v = realise(case).v[0, 0]
assert v.strides[0] == 3 * v.strides[1] * 4 and np.abs(v[:, ::2]).max() < 0.1 * np.abs(v[:, 1::2]).max()
""",
    "A precision model": """
from attention_specs.precision import named_precision
model = named_precision("scores-in-tf32+truncating-sums", "float32")
assert (model.inputs, model.scores, model.weights) == ("float32", "tf32", "tf32")
""",
    "A dtype": """
import numpy as np
from attention_harness.process.in_process import InProcessWorker
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import judge
from attention_harness.conformance.under_test import UnderTest
from attention_harness.frameworks import installed
from attention_harness.generation.suite import draw_suite
from attention_implementations.numpy.eager import attention
from attention_specs.formats import DTYPES, numpy_dtype
from attention_specs.property import PROPERTIES
load_properties()
cases = [case for case in draw_suite(60, 0, DTYPES)["attention"].drawn if case.problem.dtype == "float8_e5m2fnuz"]
assert len(cases) > 5
worker = InProcessWorker(attention)
under_test = UnderTest(worker, worker.description)
properties = [PROPERTIES[name] for name in ("output_agrees_with_the_oracle", "weights_sum_to_one")]
findings = [one for case in cases[:5] for one in judge(under_test, under_test.realise(under_test.within_its_options(case)), properties)]
assert {one.outcome for one in findings} == {"agrees"}
numbers = np.arange(8).astype(numpy_dtype("float8_e5m2fnuz"))
if not installed("torch"):
    from attention_harness.frameworks.torch_arrays import from_numpy, to_numpy
    tensor = from_numpy(numbers, "cpu")
    assert str(tensor.dtype) == "torch.float8_e5m2fnuz" and to_numpy(tensor).tobytes() == numbers.tobytes()
""",
    "A table of the report": f"""
from attention_reports import Run
from attention_reports.tables import LISTED, tabulate
rows = tabulate(Run.load({str(ROOT / "reports" / "example")!r}), "closest to the bound")
assert "closest to the bound" in LISTED and len(rows) == 10 and rows["worst_ratio"].is_monotonic_decreasing
""",
    "An experiment of `probe`": """
from attention_harness.probe import EXPERIMENTS
(experiment,) = [one for one in EXPERIMENTS.values() if one.title == "scale of zero"]
assert experiment.options == ("scale",) and experiment.run.__doc__
""",
    "A reading of a diagnosis": """
import numpy as np
from attention_harness.conformance.diagnosis.diagnosis import Diagnosis
from attention_harness.conformance.under_test import UnderTest
from attention_harness.process.in_process import InProcessWorker
from attention_implementations.numpy.eager import attention
from attention_specs.attention.problem import Problem
from attention_specs.biases import noise
from attention_specs.case import Case
def above(q, k, v, *, bias=None):
    return attention(q, k, v, bias=None if bias is None else np.maximum(bias, 0))
worker = InProcessWorker(above)
diagnosis, case = Diagnosis(UnderTest(worker, worker.description), seconds=60), Case(Problem(key_length=3, bias=noise(0, 2.0, "bhij")))
diagnosis.hear(case)
assert diagnosis.sentence(case) == "of the bias only numbers above 0 are added"
""",
    "A row of the coverage table": """
from attention_harness.generation.coverage import drawn
from attention_specs.worked_example import CASES
rows = {row["value"]: row["cases"] for row in drawn(CASES["attention"]) if row["region"] == "batch"}
assert rows == {"0": 0, "1": len(CASES["attention"]), "several": 0}
""",
    "A fault": """
import numpy as np
from attention_harness.audit.faults import load_all
from attention_implementations.numpy.eager import attention
fault = load_all()["the_scale_is_a_power_of_two"]
same = [(fault.function(q, k, v) == attention(q, k, v)).all() for q, k, v in (np.random.default_rng(0).random((3, 1, 1, 5, d)) for d in (4, 8))]
assert fault.family == "C23" and same == [True, False]
""",
    "Another check": """
from attention_harness.audit.faults import load_all as faults
from attention_harness.audit.other_checks import load_all
from attention_implementations.numpy.eager import attention
check = load_all()["one random shape"]
assert not check.objection(attention)
assert check.objection(faults()["the_scale_divides"].function).startswith("output[")
""",
    "A workload": """
from attention_harness.timing.workloads import named, published
assert "small-decoder" in [workload.name for workload in published()]
growing = named(["growing-text"])
assert len(growing) == 6 and {workload.direction for workload in growing} == {"forward+backward"}
""",
    "A vector": """
from attention_harness.audit.faults import load_all
from attention_harness.generation.vectors import files
from attention_specs.attention.inputs import realise
(vector,) = [one for one in files.vectors() if one.name == "two-keys-have-their-mean"]
x, wanted = realise(vector.case), 2.0
assert load_all()[vector.rejects].function(x.q, x.k, x.v).item() != wanted == vector.case.arrays["out"][0][0][0][0]
""",
}
"""Heading of a kind of thing -> a program that fails unless the thing is there."""


def examples(document):
    """Heading -> its examples, each as place, kind of addition, and text."""
    sections = re.split(r"^### (.+)$", document, flags=re.MULTILINE)
    return {
        name: matches for name, text in zip(sections[1::2], sections[2::2], strict=True) if (matches := EXAMPLE.findall(text))
    }


EXAMPLES = examples(DOCUMENT)


def written(root, place, kind, text):
    """Writes an example into its place in a copy of the packages."""
    folder = next(
        folder for folder in PACKAGES if place.startswith(f"{folder}/") or (root / folder / place.split("/")[0]).is_dir()
    )
    path = root / folder / place.removeprefix(f"{folder}/")
    assert path.exists() == (kind != "file"), path
    before = "" if kind == "file" else path.read_text(encoding="utf-8")
    if kind in ("function", "paragraph"):
        text = before + "\n" * (2 if kind == "function" else 1) + text
    elif kind != "file":
        (head,) = re.findall(rf"^{kind.split('`')[1]}: .*{{$", before, re.MULTILINE)
        text = before.replace(head, f"{head}\n{text.rstrip()}")
    path.write_text(text, encoding="utf-8")


def test_every_kind_of_thing_has_an_example():
    assert set(EXAMPLES) == set(SHOWS)


def test_every_block_of_code_that_is_to_be_written_has_its_place():
    adding = DOCUMENT.split("## What one adds, and where")[1].split("## Tests")[0]
    assert len(re.findall(r"^```\w", adding, re.MULTILINE)) == sum(map(len, EXAMPLES.values()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHOWS)
def test_the_example_adds_it(kind, tmp_path):
    for folder in PACKAGES:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=LEFT_OUT)
    for example in EXAMPLES[kind]:
        written(tmp_path, *example)
    path = os.pathsep.join([*(str(tmp_path / folder) for folder in PACKAGES), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-c", SHOWS[kind]],
        env=os.environ | {"PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr


def test_paths_that_the_document_names_are_there():
    places = {place for matches in EXAMPLES.values() for place, kind, _ in matches if kind == "file"}
    roots = [
        ROOT,
        *(ROOT / folder for folder in PACKAGES),
        ROOT / "harness" / "attention_harness",
        ROOT / "specs" / "attention_specs",
    ]
    named = (
        {name for name in re.findall(r"`([\w./-]+\.(?:py|md|toml))`", DOCUMENT) if "/" in name} - places - {"path/to/file.toml"}
    )
    assert [name for name in sorted(named) if not any((root / name).exists() for root in roots)] == ["numpy/einsum.py"]
