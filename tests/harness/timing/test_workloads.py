"""Workloads: published sizes, found by name or path, and one line for the error in a file."""

from math import isnan
from pathlib import Path

import numpy as np
import pytest

from attention_harness.errors import UsageError
from attention_harness.timing.workloads import Workload, by_file, named, published, read
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case

HEADS = {
    "gpt2-small": (12, 12, 64), "bert-base": (12, 12, 64), "vit-b16": (12, 12, 64), "t5-base": (12, 12, 64),
    "whisper-small": (12, 12, 64), "llama3-8b": (32, 8, 128), "mistral-7b": (32, 8, 128), "gemma2-2b": (8, 4, 256),
    "deepseek-v2-lite": (16, 1, 576),
}  # fmt: skip
"""Query heads, key heads and head dim, from the models' configuration files."""


@pytest.mark.parametrize("workload", published(), ids=lambda w: w.name)
def test_sizes_are_the_published_ones(workload: Workload) -> None:
    p = workload.problem
    model = next(model for model in HEADS if workload.name.startswith(model))
    assert (p.query_heads, p.key_heads, p.head_dim) == HEADS[model]
    assert p.value_dim == {"deepseek-v2-lite": 512}.get(model, p.head_dim) and p.dtype == "float32"
    assert workload.source and workload.description


@pytest.mark.parametrize("workload", published(), ids=lambda w: w.name)
def test_every_query_sees_a_key(workload: Workload) -> None:
    one_head = Problem.from_json(workload.problem.to_json() | {"query_heads": 1, "key_heads": 1, "head_dim": 1, "value_dim": 1})
    x = realise(Case(one_head))
    sees = x.visible().any(-1)[:, 0]
    lengths = np.full(len(sees), sees.shape[1]) if x.query_lengths is None else x.query_lengths
    assert (sees == (np.arange(sees.shape[1]) < lengths[:, None])).all()


def test_a_quick_run_takes_three() -> None:
    assert len(named(quick=True)) == 3
    assert {w.name for w in named(quick=True)} < {w.name for w in named()}


def test_names_are_taken_once_and_in_order() -> None:
    assert [w.name for w in named(["vit-b16-197", "bert-base-128", "vit-b16-197"])] == ["vit-b16-197", "bert-base-128"]


def test_an_unknown_name_says_what_would_be_right() -> None:
    with pytest.raises(UsageError, match=r"^workload=gpt7, but should be one of bert-base-128, .*\.toml file$"):
        named(["gpt7"])


def test_a_slip_gets_the_nearest_name_alone() -> None:
    with pytest.raises(UsageError, match=r"^workload=gpt2-smal-512, but should be gpt2-small-512$"):
        named(["gpt2-smal-512"])


def test_a_file_is_a_workload(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('description = "d"\n[problem]\nquery_heads = 4\nkey_heads = 2\nwindow = [3, 0]\n')
    [mine] = named([str(path)])
    assert (mine.name, mine.problem) == ("mine", Problem(query_heads=4, key_heads=2, window=(3, 0)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "should be a TOML file"),
        ("[problem]\nheads = 3\n", "problem has heads"),
        ("[problem]\nquery_heads = 3\nkey_heads = 2\n", "multiple of key_heads=2"),
        ("size = 3\n[problem]\n", "has size, but should have"),
        ("problem = 3\n", r"table \[problem\]"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path / "bad.toml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can be read"):
        named([str(tmp_path / "none.toml")])


SWEEPS = ("backward", "batch", "decode", "dtype", "flash", "flash-gpu", "head-dim", "heads", "length")


def sweep(folder: Path, text: str) -> list[Workload]:
    path = folder / "mine.toml"
    path.write_text('description = "d"\n' + text)
    return named([str(path)])


def test_a_sweep_is_a_workload_for_each_value(tmp_path: Path) -> None:
    workloads = sweep(tmp_path, 'direction = "forward+backward"\n[problem]\nhead_dim = 3\n[sweep]\nlength = [2, 5]\n')
    assert [w.problem for w in workloads] == [Problem(head_dim=3, query_length=n, key_length=n) for n in (2, 5)]
    members = [(w.name, w.sweep, w.varied, w.value, w.direction, w.description) for w in workloads]
    assert members == [(f"mine-{n}", "mine", "length", n, "forward+backward", f"d: mine-{n}") for n in (2, 5)]


@pytest.mark.parametrize(
    ("field", "values", "problems"),
    [
        ("heads", "[2, 3]", [Problem(query_heads=n, key_heads=n) for n in (2, 3)]),
        ("head_dim", "[2, 3]", [Problem(head_dim=n, value_dim=n) for n in (2, 3)]),
        ("key_length", "[2, 3]", [Problem(key_length=n) for n in (2, 3)]),
        ("is_causal", "[false, true]", [Problem(is_causal=c) for c in (False, True)]),
        ("scale", "[0.5, 1.0]", [Problem(scale=s) for s in (0.5, 1.0)]),
    ],
)
def test_any_field_may_vary(tmp_path: Path, field: str, values: str, problems: list[Problem]) -> None:
    assert [w.problem for w in sweep(tmp_path, f"[problem]\n[sweep]\n{field} = {values}\n")] == problems


def test_a_word_has_no_number(tmp_path: Path) -> None:
    workloads = sweep(tmp_path, '[problem]\n[sweep]\ndtype = ["float32", "float16"]\n')
    assert [(w.name, w.problem.dtype) for w in workloads] == [("mine-float32", "float32"), ("mine-float16", "float16")]
    assert all(isnan(w.value) for w in workloads)


def test_variants_are_sweeps_of_their_own(tmp_path: Path) -> None:
    text = "[problem]\n[variants]\na = {}\nb = { heads = 3 }\n[sweep]\nbatch = [1, 2]\n"
    workloads = [(w.name, w.sweep, w.problem.key_heads, w.problem.batch) for w in sweep(tmp_path, text)]
    assert workloads == [
        ("mine-a-1", "mine-a", 1, 1),
        ("mine-a-2", "mine-a", 1, 2),
        ("mine-b-1", "mine-b", 3, 1),
        ("mine-b-2", "mine-b", 3, 2),
    ]


def test_tokens_stay_the_same(tmp_path: Path) -> None:
    workloads = sweep(tmp_path, "tokens = 12\n[problem]\n[sweep]\nlength = [2, 3, 12]\n")
    assert [(w.problem.query_length, w.problem.batch) for w in workloads] == [(2, 6), (3, 4), (12, 1)]


def test_sweeps_are_timed_only_when_named() -> None:
    assert not [w.name for w in named() if w.sweep]
    assert set(SWEEPS) < set(by_file())
    assert {w.name for name in SWEEPS for w in named([name])}.isdisjoint(w.name for w in named())


def test_a_sweep_is_named_whole_by_variant_or_by_member() -> None:
    whole = named(["length"])
    assert len(whole) == 10
    assert named(["length-causal"]) == [w for w in whole if w.problem.is_causal]
    assert named(["length-causal-512", "length"]) == [whole[7], *whole[:7], *whole[8:]]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_shipped_sweep_varies_one_thing_and_says_where_it_is_from(name: str) -> None:
    workloads = named([name])
    assert all(w.source and w.description and w.sweep.startswith(name) and not w.quick for w in workloads)
    assert len({w.name for w in workloads}) == len(workloads) == len({w.problem for w in workloads})
    assert len({w.varied for w in workloads}) == 1


def test_the_flash_grid_keeps_tokens_and_width_and_is_a_sixteenth() -> None:
    small, whole = ([w.problem for w in named([name])] for name in ("flash", "flash-gpu"))
    for problems, tokens, width in ((small, 1024, 128), (whole, 16384, 2048)):
        assert {p.batch * p.query_length for p in problems} == {tokens}
        assert {p.query_heads * p.head_dim for p in problems} == {width}
    assert [16 * p.query_length for p in small] == [p.query_length for p in whole]
    assert {(p.head_dim, p.is_causal) for p in whole} == {(d, c) for d in (64, 128) for c in (False, True)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('direction = "backward"\n[problem]\n', "direction=backward, but should be one of forward, forward"),
        ("sweep = 3\n[problem]\n", "sweep=3, but should be a table with one field"),
        ("[problem]\n[sweep]\n", "a table with one field"),
        ("[problem]\n[sweep]\nlength = [1]\nheads = [1]\n", "a table with one field"),
        ("[problem]\n[sweep]\nlength = 3\n", "a list of its values"),
        ("[problem]\n[sweep]\nlength = []\n", "a list of its values"),
        ("[problem]\n[sweep]\nlength = [3, 3]\n", "should be of different values"),
        ('[problem]\n[sweep]\nlength = ["x"]\n', "query_length=x, but should be a whole number above 0"),
        ("[problem]\n[sweep]\nlength = [0]\n", "query_length=0, but should be a whole number above 0"),
        ("[problem]\n[sweep]\nbatches = [1]\n", "problem has batches"),
        ('[problem]\n[sweep]\ndtype = ["float8"]\n', "dtype=float8, but should be one of float32"),
        ("[problem]\n[sweep]\nkey_length = [1]\n[variants]\na = 3\n", "a table of fields for each name"),
        ("tokens = 3\n[problem]\n[sweep]\nlength = [2]\n", "tokens=3, but should be a multiple of query_length=2"),
        ("tokens = 0\n[problem]\n[sweep]\nlength = [2]\n", "tokens=0, but should be a whole number above 0"),
        ("tokens = 3\n[problem]\n", r"tokens=3, but should only be there with a table \[sweep\]"),
        ("[problem]\nhead_dim = 0\n", "head_dim=0, but should be a whole number above 0"),
    ],
)
def test_a_bad_sweep_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path / "bad.toml")
    assert str(caught.value).startswith(f"workload={tmp_path / 'bad.toml'}")
    assert "\n" not in str(caught.value)
