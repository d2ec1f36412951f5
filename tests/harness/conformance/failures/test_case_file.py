"""Case files may be damaged: each is a case within limits, or an error of one line."""

from __future__ import annotations

import copy
import json
import resource
from random import Random
from time import monotonic

import pytest

from attention_harness.cli.app import main
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.failures.case_file import CELLS, case_file
from attention_harness.conformance.judging import find
from attention_harness.generation.vectors import onnx_cases
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.multi_head.problem import LayerProblem

SEEDS = range(500)
SHARE_OF_DELETIONS = 0.2
SECONDS, BYTES = 5, 2**30
STRANGE = (
    None, True, -1, 0, 1, 2, 3, 17, 2**31, 2**63, 10**400, -(10**18), 0.5, 1e9, -1e300, float("nan"), float("inf"), "", "x", "nope",
    "causal", "normal", "three_words_rows", "bfloat16", [], [[]], [1, 2], ["causal"], {}, {"x": 1},
)  # fmt: skip


def content(case, property_):
    return {
        "schema": 1,
        "target": "numpy-eager",
        "location": "attention_implementations.numpy.eager:",
        "property": property_,
        "case": case.to_json(),
    }


def deep(levels):
    data = ["causal"]
    for _ in range(levels):
        data = ["opposite", data]
    return data


@pytest.fixture(scope="module")
def valid():
    """Case files as a run writes them, of both specs, with every kind of option."""
    load_properties()
    mask = masks.random(3, 0.5, "bhij") & masks.key_padding((2, 3)) | masks.prefix(1)
    bias = biases.total(biases.filler(masks.window(1, None), -1e4), biases.noise(5, 1.0, "j"))
    full = Problem(2, 4, 2, 3, 4, 5, 6, mask=mask, bias=bias, window=(1, None), scale=0.5, softcap=5.0, sinks=1.0)
    padded = Problem(2, 2, 1, 3, 4, 5, 6, query_lengths=(1, 3), key_lengths=(4, 2), past=1, is_causal=True)
    cases = [
        Case(full, layouts={"q": "heads_last", "mask": "fewer_axes"}),
        Case(padded, "peaked", 7),
        Case(Problem(dtype="float64")),
    ]
    files = [
        content(case, name) for case in cases for name in ("output_agrees_with_the_oracle", "empty_rows_follow_the_declaration")
    ]
    files.append(content(Case(LayerProblem(2, 2, 3, 4, 8, mask=mask)), "layer_agrees_with_the_oracle"))
    published = onnx_cases.vectors()
    return files + ([content(published[0].case, "onnx_vectors")] if published else [])


def places(data, path=()):
    """The way to every value, down to the purposely nested ones."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs if len(path) < 30 else ():
        yield (*path, key)
        yield from places(value, (*path, key))


def damaged(rng, data):
    """The data with a few values left out, replaced, doubled or nested."""
    data = copy.deepcopy(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        *way, last = rng.choice(list(places(data)))
        inner = data
        for key in way:
            inner = inner[key]
        if rng.random() < SHARE_OF_DELETIONS:
            del inner[last]
        else:
            inner[last] = rng.choice((rng.choice(STRANGE), [inner[last]] * 2, deep(rng.choice((1, 70, 900)))))
    return data


def test_every_damaged_file_is_a_case_that_can_be_judged_or_one_line(valid, subject_of):
    """As `replay` does, without a process: 500 files, each within 5 s, all within 1 GiB more than before."""
    from attention_implementations.numpy import eager as numpy_eager
    from attention_implementations.numpy import multi_head as numpy_multi_head

    subjects = {"attention": subject_of(numpy_eager.attention), "multi-head": subject_of(numpy_multi_head.multi_head)}
    refused, before = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in SEEDS:
        rng, start = Random(seed), monotonic()
        data = damaged(rng, rng.choice(valid))
        try:
            file = case_file(data)
        except ValueError:
            refused += 1
        else:
            under_test, p = subjects[file.property_.spec], file.case.problem
            under_test.forget()
            x = under_test.spec.realise(file.case)
            assert find(under_test, file.property_, x).outcome, p
        assert monotonic() - start < SECONDS, data
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < BYTES / 1024
    assert 100 < refused < len(SEEDS)  # some are valid still


def changed(data, path, value):
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


WRONG = [
    (("case", "recipe"), "nope", "cannot be made"),
    (("case", "recipe"), 3, "recipe=3, but should be text"),
    (("case", "recipe"), "three_words", "shape of"),
    (("case", "seed"), -1, "cannot be made"),
    (("case", "problem", "batch"), "x", "batch='x', but should be a whole number"),
    (("case", "problem", "batch"), -2, "batch=-2, but should be from 0"),
    (("case", "problem", "batch"), True, "but should be a whole number"),
    (("case", "problem", "key_length"), 1e9, "key_length=1000000000.0, but should be a whole number"),
    (("case", "problem", "key_length"), 10**9, "key_length=1000000000, but should be from 0"),
    (("case", "problem", "key_length"), 10**400, "but should be a whole number"),
    (("case", "problem", "query_length"), CELLS, "scores="),
    (("case", "problem", "scale"), float("nan"), "scale=nan, but should be a finite number or null"),
    (("case", "problem", "softcap"), float("inf"), "softcap=inf, but should be a finite number or null"),
    (("case", "problem", "window"), [1], "window=.*, but should be a list of 2"),
    (("case", "problem", "window"), [-1, 2], "no side below 0"),
    (("case", "problem", "key_lengths"), [1], "but should be 2 numbers"),
    (("case", "problem", "key_lengths"), [1, 99], "but should be 2 numbers"),
    (("case", "problem", "dtype"), "float8", "dtype='float8', but should be one of"),
    (("case", "problem", "mask"), deep(900), "nesting=above 64 levels"),
    (("case", "problem", "mask"), ["key_padding", [1]], "cannot be made"),
    (("case", "problem", "mask"), ["window", "x", 1], "left of window='x', but should be a whole number or null"),
    (("case", "problem", "mask"), ["causal", 1], "causal of 1 arguments, but should have 0"),
    (("case", "problem", "mask"), [["causal"]], "but should be one of"),
    (("case", "problem", "bias"), ["filler", ["causal"], float("-inf")], "value of filler=-inf, but should be a finite number"),
    (("case", "layouts"), {"q": "diagonal"}, "layout of q='diagonal', but should be one of"),
    (("case", "layouts"), {"colour": "inside"}, "layouts=colour, but should be among"),
    (("case", "arrays"), {"q": [[1, 2], [3]]}, "cannot be made"),
    (("case", "arrays"), {"q": [[[[1.0]]]]}, "shape of q"),
    (("case", "arrays"), {"colour": [1]}, "arrays=colour, but should be among"),
    (("property",), "layer_agrees_with_the_oracle", "spec=attention, but should be multi-head"),
    (("property",), ["x"], "property=.*, but should be text"),
    (("target",), None, "target=None, but should be text"),
    (("limits",), {"seconds": -1}, "limits="),
    (("conventions",), {"colour": "red"}, "convention=colour"),
]  # fmt: skip


@pytest.mark.parametrize("path, value, message", WRONG, ids=str)
def test_what_no_run_writes_is_refused_by_name(path, value, message):
    load_properties()
    case = Case(Problem(2, 2, 1, 3, 4, 5, 6))
    with pytest.raises(ValueError, match=message):
        case_file(changed(content(case, "output_agrees_with_the_oracle"), path, value))


def test_every_case_of_a_run_is_read_again(cases_of):
    properties = {
        "attention": "output_agrees_with_the_oracle",
        "multi-head": "layer_agrees_with_the_oracle",
        "merge": "merge_agrees_with_the_oracle",
    }
    for spec, cases in cases_of(0).items():
        for case in cases:
            assert case_file(json.loads(json.dumps(content(case, properties[spec])))).case == case


def test_every_given_vector_is_read_again():
    load_properties()
    for vector in onnx_cases.vectors():
        assert case_file(json.loads(json.dumps(content(vector.case, vector.properties[0])))).case.id == vector.case.id


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "3", '{"case": ' + "1" * 5000 + "}", "\udcff"])
def test_what_is_no_json_is_one_line_and_exit_2(text, tmp_path, capsys):
    (tmp_path / "case.json").write_text(text, errors="surrogateescape")
    assert main(["replay", str(tmp_path / "case.json")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "but should be a case as a run writes it" in message
