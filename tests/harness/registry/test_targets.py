"""Names to implementations, and the message for an unknown name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import attention_implementations
from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target, registered, resolve

FILE = "def attention(q, k, v):\n    return q\n\n\ndef other(q, k, v):\n    return v\n"


def names(targets):
    return [target.name for target in targets]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_every_file_of_the_folder_is_registered_under_its_name():
    files = [path for folder in attention_implementations.__path__ for path in Path(folder).glob("*/[a-z]*.py")]
    assert {f"{path.parent.name}-{path.stem}".replace("_", "-") for path in files} <= set(names(registered()))
    assert names(registered()) == sorted(names(registered()))


def test_no_name_means_all():
    assert resolve([]) == registered()


def test_a_registered_name_is_its_module():
    assert resolve(["numpy-eager"]) == [Target("numpy-eager", "attention_implementations.numpy.eager:")]


NUMPY = [
    f"numpy-{name}"
    for name in (
        "absorbed-multi-head",
        "cache-append",
        "eager",
        "fp8-cache",
        "merge",
        "multi-head",
        "online",
        "packed",
        "paged",
        "tensor-core",
    )
]


def test_globs_go_over_the_registered_names():
    assert names(resolve(["numpy-*"])) == NUMPY
    assert names(resolve(["numpy-[eo]*"])) == ["numpy-eager", "numpy-online"]


def test_what_is_named_twice_comes_once_and_in_the_order_of_the_call():
    others = [name for name in NUMPY if name != "numpy-online"]
    assert names(resolve(["numpy-online", "numpy-*", "numpy-online"])) == ["numpy-online", *others]


def test_a_function_of_a_file(file):
    (target,) = resolve([f"{file}:other"])
    assert (target.location, target.registered) == (f"{file.resolve()}:other", False)


def test_a_relative_path_is_found_from_any_folder_later(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert resolve(["mine.py:attention"])[0].location == f"{file.resolve()}:attention"


def test_a_function_of_a_module():
    assert (
        resolve(["attention_implementations.numpy.eager:attention"])[0].location
        == "attention_implementations.numpy.eager:attention"
    )


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            "nothing-like-this",
            r"target=nothing-like-this, but should be .*package\.module:function or file\.py:function",
        ),
        ("cupy-*", r"target=cupy-\*, but should be .*a glob over"),
        (
            "absent.py:attention",
            r"target=absent\.py:attention, but should name a file that can be read: No such file or directory",
        ),
        ("{file}:", r"but should end in a function of that file: attention, other"),
        ("{file}:not a name", r"but should end in a function of that file: attention, other"),
        ("{broken}:attention", r"but should name a Python file: .*line 1"),
        ("{binary}:attention", r"but should name a Python file: "),
        (
            "absent_package.module:attention",
            r"but should be package\.module:function with a module that can be imported from here",
        ),
        ("attention_implementations.numpy.eager:", r"but should be package\.module:function"),
        (":attention", r"but should be package\.module:function"),
    ],
)
def test_an_unknown_target_is_an_error_of_one_line(wanted, message, file, tmp_path):
    (tmp_path / "broken.py").write_text("def attention(q, k, v:\n")
    (tmp_path / "binary.py").write_bytes(b"\x00\xff\xfe")
    wanted = wanted.format(file=file, broken=tmp_path / "broken.py", binary=tmp_path / "binary.py")
    with pytest.raises(UsageError) as caught:
        resolve([wanted])
    assert re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)


def test_two_of_one_name_are_an_error_that_names_both(tmp_path, monkeypatch):
    metadata = tmp_path / "rival-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: rival\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[attention_harness.implementations]\nnumpy-eager = rival.module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"name=numpy-eager, .* attention_implementations\.numpy\.eager: and rival\.module:"):
        registered()
