"""Workloads: published sizes, found by name or path, and one line for what is wrong with a file."""

from pathlib import Path

import pytest

from harness.targets import UsageError
from harness.workloads import Workload, named, published, read
from specs.inputs import realise
from specs.problem import Case, Problem

HEADS = {
    "gpt2-small": (12, 12, 64), "bert-base": (12, 12, 64), "vit-b16": (12, 12, 64), "t5-base": (12, 12, 64),
    "whisper-small": (12, 12, 64), "llama3-8b": (32, 8, 128), "mistral-7b": (32, 8, 128), "gemma2-2b": (8, 4, 256),
}  # fmt: skip
"""Query heads, key heads and head dim, from the models' configuration files."""


@pytest.mark.parametrize("workload", published(), ids=lambda w: w.name)
def test_sizes_are_the_published_ones(workload: Workload) -> None:
    p = workload.problem
    model = next(model for model in HEADS if workload.name.startswith(model))
    assert (p.query_heads, p.key_heads, p.head_dim) == HEADS[model]
    assert p.value_dim == p.head_dim and p.dtype == "float32"
    assert workload.source and workload.description


@pytest.mark.parametrize("workload", published(), ids=lambda w: w.name)
def test_every_query_sees_a_key(workload: Workload) -> None:
    one_head = Problem.from_json(workload.problem.to_json() | {"query_heads": 1, "key_heads": 1, "head_dim": 1, "value_dim": 1})
    assert realise(Case(one_head)).visible().any(-1).all()


def test_a_quick_run_takes_three() -> None:
    assert len(named(quick=True)) == 3
    assert {w.name for w in named(quick=True)} < {w.name for w in named()}


def test_names_are_taken_once_and_in_order() -> None:
    assert [w.name for w in named(["vit-b16-197", "bert-base-128", "vit-b16-197"])] == ["vit-b16-197", "bert-base-128"]


def test_an_unknown_name_says_what_would_be_right() -> None:
    with pytest.raises(UsageError, match=r"^workload=gpt7, but should be one of bert-base-128, .*\.toml file$"):
        named(["gpt7"])


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
