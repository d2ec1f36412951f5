"""Implementations that compute with a runtime: each agrees with the oracle where its domain lets it, and says what it lacks."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import pytest

import attention_implementations
from attention_harness import frameworks
from attention_harness.registry.loading import LoadError, load
from attention_harness.registry.targets import library_of, registered
from attention_specs import biases, masks
from attention_specs.attention.domain import Domain
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call, expect
from attention_specs.case import Case
from attention_specs.contract import LAYOUTS
from attention_specs.judge import within

(PACKAGE,) = map(Path, attention_implementations.__path__)
TARGETS = {
    target.name: target
    for target in registered()
    if library_of(target.location) in (*frameworks.RUNTIMES, "onnx")
    and not target.name.endswith("multi-head")
    and ".cuda." not in target.location
}
PROBLEMS = {
    "plain": Problem(2, 2, 2, 16, 16, 16, 16),
    "groups": Problem(1, 4, 2, 16, 16, 16, 16),
    "causal": Problem(1, 2, 2, 16, 16, 16, 16, is_causal=True),
    "scale": Problem(1, 2, 2, 16, 16, 16, 16, is_causal=True, scale=0.5),
    "mask": Problem(2, 2, 2, 16, 16, 16, 16, mask=masks.random(1, 0.7, "bij") | masks.prefix(1)),
    "bias": Problem(2, 2, 2, 16, 16, 16, 16, bias=biases.noise(1, 1.0, "hij")),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # of the runtimes
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("name", TARGETS)
def test_it_is_within_the_bound_where_it_answers(name, problem):
    x, (function, description) = realise(Case(problem)), loaded(name)
    asked, accepted = call(x), inspect.signature(function).parameters
    lacking = asked.options.keys() - accepted.keys()
    outside = Domain.of(description.domain).broken({f: getattr(problem, f) for f in ("is_causal", *SIZES)})
    if lacking or outside:
        pytest.skip(f"not offered: {', '.join(lacking) or outside}")
    right = expect(x, description.conventions, description.precision.get(x.dtype))
    verdict = within(asks(function, description, asked), right.out, right.bounds.out)
    assert verdict.holds, verdict.message


SIZES = ("batch", "query_heads", "key_heads", "query_length", "key_length", "head_dim", "value_dim")


def loaded(name):
    """The function and its description; the test is skipped where the runtime is not here."""
    if name.startswith("keras") and "keras" in sys.modules and sys.modules["keras"].backend.backend() != name.partition("-")[2]:
        pytest.skip("this process has Keras on another backend")
    try:
        return load(name, TARGETS[name].location)
    except LoadError as error:
        if not error.unavailable:
            raise
        pytest.skip(str(error))


def asks(function, description, asked):
    """The answer, in the order of axes of the specification."""
    verbs, order = frameworks.load(description.framework), LAYOUTS[description.layout]
    arrays = [verbs.from_numpy(np.ascontiguousarray(a.transpose(order)), "cpu") for a in asked.arrays.values()]
    options = {n: verbs.from_numpy(o, "cpu") if isinstance(o, np.ndarray) else o for n, o in asked.options.items()}
    return verbs.to_numpy(function(*arrays, **options)).transpose(order)


def test_a_row_is_short_since_what_runtimes_share_is_written_once():
    rows = [path for name in (*frameworks.RUNTIMES, "onnx") for path in (PACKAGE / name).glob("[!_]*.py")]
    assert median(len(path.read_text().splitlines()) for path in rows) < 40


@pytest.mark.parametrize("name", frameworks.RUNTIMES)
def test_a_runtime_that_is_not_here_is_unavailable_and_says_how_to_get_it(name, monkeypatch):
    monkeypatch.setattr(frameworks, "find_spec", lambda module: None if module == name else find_spec(module))
    row = next(target for target in registered() if library_of(target.location) == name)
    with pytest.raises(LoadError, match=rf"{name} is not installed: .*\.\[{name.replace('_', '-')}\]") as raised:
        load(row.name, row.location)
    assert raised.value.unavailable


def test_a_version_names_the_runtime_too():
    pytest.importorskip("onnx")
    assert "onnx " in load("onnx-reference", TARGETS["onnx-reference"].location)[1].version


def test_a_mask_for_onnx_has_the_sizes_of_the_scores_and_minus_infinity_where_it_hides():
    pytest.importorskip("onnx")
    whole = importlib.import_module("attention_implementations.onnx._model").whole
    joined = whole(np.array([[True], [False]]), np.array([[1.0, 2.0, 3.0]]), (2, 3), np.dtype(np.float32))
    assert joined.tolist() == [[1, 2, 3], [-np.inf] * 3]
    assert whole(None, None, (2, 3), np.dtype(np.float32)) is None


def test_there_are_forty_rows_and_each_lies_in_a_folder_of_its_library():
    ours = [target for target in registered() if library_of(target.location)]
    assert len(ours) >= 40
    assert all(target.name.startswith(library_of(target.location).replace("_", "-")) for target in ours)


@pytest.mark.slow
def test_loading_a_row_imports_no_framework_but_its_own():
    """In one process for each framework, as `list` does: what is imported later is left to the first call."""
    rows = [target for target in registered() if library_of(target.location) and framework_in(target) != "jax"]
    code = "import sys; from attention_harness.registry.loading import LoadError, load\n"
    code += "for name, place in {!r}:\n try: load(name, place)\n except LoadError: pass\nprint(*sys.modules)"
    for framework, others in (("numpy", {"torch", "jax"}), ("torch", {"jax", "transformers", "x_transformers"})):
        own = [(target.name, target.location) for target in rows if framework_in(target) == framework]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", code.format(own)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
        assert not others & set(ran.stdout.split())


def framework_in(target):
    """The framework that the file of a row declares."""
    file = PACKAGE.joinpath(*target.location.rpartition(":")[0].split(".")[1:]).with_suffix(".py")
    declared = re.search(r'framework="(\w+)"', file.read_text())
    return declared[1] if declared else library_of(target.location)
