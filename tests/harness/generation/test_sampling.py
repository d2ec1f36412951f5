"""The drawn cases: the same for the same seed, and every region in one default run."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import pytest

from attention_harness.generation.coverage import coverage, drawn
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.layer_strategies import MASK_KINDS
from attention_harness.generation.numbers import ANY
from attention_harness.generation.shapes import BUDGET, EDGES, LONG, SMALL, pool
from attention_harness.generation.strategies import OPTIONS
from attention_harness.generation.suite import draw_suite
from attention_harness.generation.vectors import files
from attention_specs.attention.inputs import realise
from attention_specs.attention.recipes import DRAWN
from attention_specs.biases import BIASES
from attention_specs.formats import DTYPES
from attention_specs.layouts import INSIDE_K, LAYOUTS
from attention_specs.masks import MASKS, Mask
from attention_specs.multi_head.recipes import DRAWN as LAYER_DRAWN
from attention_specs.worked_example import CASES

SEEDS = (0, 1)
FROM_HERE = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
NOT_DRAWN = {"opposite", "window_at"}


def kinds(thing):
    """Kinds in a mask or bias, those of its parts included."""
    if thing is None:
        return set()
    return {thing.kind}.union(*(kinds(a) for a in thing.arguments if isinstance(a, Mask | type(thing))))


def test_the_same_seed_gives_the_same_cases():
    assert draw_suite(10, 5, DTYPES) == draw_suite(10, 5, DTYPES)


IDS = """
from attention_harness.generation.suite import draw_suite
from attention_specs.formats import DTYPES
{more}
print(*(case.id for case in draw_suite(60, 0, DTYPES)["attention"].cases))
"""


@pytest.mark.slow
def test_source_beside_the_harness_changes_no_case(tmp_path):
    """Hypothesis draws from the constants of local modules, too, and so would a checkout and an installed wheel differ."""
    (tmp_path / "of_somebody.py").write_text(f"NUMBERS = {list(range(2, 400))}")
    answers = [
        subprocess.run(
            [sys.executable, "-c", IDS.format(more=more)], cwd=tmp_path, env=FROM_HERE, capture_output=True, text=True, check=True
        ).stdout
        for more in ("pass", "import of_somebody")
    ]
    assert answers[0] == answers[1] != ""


def test_another_seed_gives_other_cases(suites_of):
    first, second = ({case.id for case in suites_of(seed)["attention"].drawn} for seed in SEEDS)
    assert not first & second


def test_more_examples_begin_with_the_same_ones(suites_of):
    assert suites_of(0)["attention"].drawn[:20] == draw_suite(20, 0, DTYPES)["attention"].drawn


@pytest.mark.parametrize("spec", ["attention", "multi-head"])
def test_a_suite_has_as_many_drawn_cases_as_asked_for_behind_the_others_and_all_differ(spec, suites_of):
    suite = suites_of(0)[spec]
    assert suite.cases == [*CASES[spec], *EDGE_CASES[spec], *suite.drawn]
    assert (suite.examples, suite.edge_cases, len(suite.drawn)) == (CASES[spec], EDGE_CASES[spec], 150)
    assert len({case.id for case in suite.cases}) == len(suite.cases) == len(suite)


def test_a_vector_is_in_the_suite_of_its_spec():
    suites = draw_suite(1, 0, DTYPES, files.vectors())
    assert suites["attention"].vectors == files.vectors()
    assert len(suites["attention"]) == len(suites["attention"].cases) + len(files.vectors())
    assert suites["multi-head"].vectors == []


@pytest.mark.parametrize("spec", ["attention", "multi-head"])
def test_queries_without_keys_are_asked_in_every_run(spec):
    assert any(case.problem.query_length and not case.problem.key_length for case in EDGE_CASES[spec])


def test_only_the_dtypes_asked_for_are_drawn():
    drawn = draw_suite(30, 0, ("bfloat16",))["attention"].cases
    assert {case.problem.dtype for case in drawn if case.recipe in DRAWN} == {"bfloat16"}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_region_is_visited_in_one_run(seed, cases_of):
    drawn = cases_of(seed)["attention"]
    problems = [case.problem for case in drawn]
    masks = set().union(*(kinds(p.mask) for p in problems))
    assert masks == set(MASKS) - NOT_DRAWN
    assert set(BIASES) <= set().union(*(kinds(p.bias) for p in problems))
    assert {case.recipe for case in drawn} >= set(DRAWN)
    assert {layout for case in drawn for layout in case.layouts.values()} == {*LAYOUTS, INSIDE_K}
    assert {name for case in drawn for name in case.layouts} == {"q", "k", "v", "mask", "bias"}
    assert {p.dtype for p in problems} == set(DTYPES)
    options = {text.partition("=")[0] for p in problems for text in p.options()}
    assert options == {"mask", "bias", "is_causal", "window", "scale", "softcap", "sinks", "query_lengths", "key_lengths", "past"}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("option", ["scale", "softcap", "sinks"])
def test_special_values_of_an_option_come_equally_often_and_others_from_a_range(option, seed, suites_of):
    drawn = [getattr(case.problem, option) for case in suites_of(seed)["attention"].drawn]
    given = [value for value in drawn if value is not None]
    special = [value for value in OPTIONS[option] if value != ANY]
    times = [given.count(value) for value in special]
    assert max(times) - min(times) <= 1 < min(times)
    others = set(given) - set(special)
    assert len(others) >= len(given) / 3
    assert max(map(abs, others)) > 10 * min(map(abs, others))


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_are_bounded_on_either_side_or_on_both(seed, suites_of):
    windows = [case.problem.window for case in suites_of(seed)["attention"].drawn if case.problem.window]
    bounded = [tuple(side is not None for side in window) for window in windows]
    assert min(bounded.count(sides) for sides in ((True, True), (True, False), (False, True))) >= len(windows) / 9


@pytest.mark.parametrize("seed", SEEDS)
def test_layers_have_every_mask_as_often_as_the_others_and_every_recipe_in_every_dtype(seed, suites_of):
    drawn = suites_of(seed)["multi-head"].drawn
    kinds = [case.problem.mask.kind if case.problem.mask else "none" for case in drawn]
    times = [kinds.count(kind) for kind in MASK_KINDS]
    assert max(times) - min(times) <= 1 < min(times)
    assert {(case.recipe, case.problem.dtype) for case in drawn} == set(product(LAYER_DRAWN, DTYPES))
    squares = [case.problem.self_attention for case in drawn if case.problem.query_length == case.problem.key_length]
    assert 0.4 <= sum(squares) / len(squares) <= 0.6


REGIONS = {
    "no option": lambda p: not p.options(),
    "fewer queries than keys": lambda p: 0 < p.query_length < p.key_length,
    "more queries than keys": lambda p: p.query_length > p.key_length > 0,
    "square": lambda p: p.query_length == p.key_length > 1,
    "one query": lambda p: p.query_length == 1,
    "a size of zero": lambda p: 0 in (p.batch, p.query_length, p.key_length, p.head_dim, p.value_dim),
    "more than one block of 128 keys": lambda p: p.key_length > 128,
    "a power of two": lambda p: p.key_length in (16, 32, 64, 128, 256),
    "one above": lambda p: p.key_length in (17, 33, 65, 129, 257),
    "one below": lambda p: p.key_length in (15, 31, 63, 127, 255),
    "grouped heads": lambda p: p.query_heads > p.key_heads > 1,
    "heads that are no power of two": lambda p: p.query_heads not in (1, 2, 4, 8, 16),
    "another value dim": lambda p: p.value_dim != p.head_dim,
    "an odd head dim": lambda p: p.head_dim % 8 and p.head_dim > 8,
    "many batch entries": lambda p: p.batch > 8,
    "scale 0": lambda p: p.scale == 0,
    "scale below 0": lambda p: p.scale is not None and p.scale < 0,
    "causal with other lengths": lambda p: p.is_causal and p.query_length != p.key_length,
    "a one-sided window": lambda p: p.window is not None and None in p.window,
    "an empty batch entry": lambda p: p.key_lengths is not None and 0 in p.key_lengths,
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("region", REGIONS)
def test_region_is_visited_in_one_run(region, seed, cases_of):
    assert any(REGIONS[region](case.problem) for case in cases_of(seed)["attention"])


@pytest.mark.parametrize("seed", SEEDS)
def test_empty_rows_and_hidden_keys_are_drawn_often(seed, cases_of):
    small = [case for case in cases_of(seed)["attention"] if case.problem.query_length * case.problem.key_length < 2000]
    seen = [realise(case).visible() for case in small]
    assert sum(bool((~v.any(-1)).any()) for v in seen) >= len(small) / 20
    assert sum(not v.all() for v in seen) >= len(small) / 4


@pytest.mark.parametrize("seed", range(20))
def test_pools_stay_within_the_budget_and_their_heads_divide(seed):
    shapes = pool(seed, 24)
    assert len(shapes) >= 20
    assert max(shape.cells for shape in shapes) <= BUDGET
    assert all(shape.query_heads % max(shape.key_heads, 1) == 0 for shape in shapes)
    assert sum(0 in shape for shape in shapes) == 1


def test_sizes_of_pools_are_all_numbers_and_edges_more_often():
    shapes = [shape for seed in range(40) for shape in pool(seed, 24)]
    for axis in ("query_length", "key_length", "head_dim", "value_dim"):
        sizes = [getattr(shape, axis) for shape in shapes]
        assert {size % 16 for size in sizes} == set(range(16))
        edges = sum(size in (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129) for size in sizes)
        assert edges > sum(size in (18, 19, 20, 34, 35, 36, 60, 61, 62, 121, 122, 123) for size in sizes)
    assert {shape.query_length for shape in shapes} - {*SMALL, *EDGES, *LONG}


@pytest.mark.parametrize(
    ("axis", "size"),
    [("batch", 64), ("query_heads", 128), ("query_length", 8193), ("key_length", 8193), ("head_dim", 576), ("value_dim", 576)],
)
def test_each_size_goes_far_by_itself_in_every_run_without_groups(axis, size):
    far = [case.problem for case in EDGE_CASES["attention"] if getattr(case.problem, axis) == size]
    assert far
    assert any(p.query_heads == p.key_heads for p in far)


def test_every_size_is_0_somewhere_in_every_run_with_and_without_groups():
    problems = [case.problem for case in EDGE_CASES["attention"]]
    for axis in ("batch", "query_heads", "query_length", "key_length", "head_dim", "value_dim"):
        empty = [p for p in problems if getattr(p, axis) == 0]
        assert any(p.query_heads == p.key_heads for p in empty)
        assert axis == "query_heads" or any(p.query_heads > p.key_heads for p in empty)


def test_a_group_of_64_heads_reads_one_key_head_in_every_run():
    assert any(case.problem.query_heads == 64 * case.problem.key_heads > 0 for case in EDGE_CASES["attention"])


def test_coverage_counts_each_case_once_for_each_value(cases_of):
    cases = cases_of(0)["attention"]
    rows = drawn(cases)
    assert sum(row["cases"] for row in rows if row["region"] == "dtype") == len(cases)
    assert sum(row["cases"] for row in rows if row["region"] == "lengths") == len(cases)
    assert {row["value"]: row["cases"] for row in rows if row["region"] == "key length" and not row["cases"]} == {}
    options = {row["value"]: row["cases"] for row in rows if row["region"] == "option"}
    assert options["is_causal"] == sum(case.problem.is_causal for case in cases)
    masks = {row["value"] for row in rows if row["region"] == "mask"}
    assert set(MASKS) - NOT_DRAWN - {"both", "either"} <= masks


def test_a_value_that_no_case_has_is_counted_as_a_hole():
    rows = coverage([])
    assert rows
    assert {row["cases"] for row in rows} == {0}


@pytest.mark.parametrize("spec", ["attention", "multi-head"])
def test_no_value_of_the_first_choice_is_left_out(spec, cases_of):
    drawn = [case.problem.dtype for case in cases_of(0)[spec]]
    assert min(drawn.count(dtype) for dtype in DTYPES) >= 15
