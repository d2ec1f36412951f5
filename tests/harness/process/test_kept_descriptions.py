"""Descriptions kept between commands: the same answers, asked anew as soon as anything that decides them changes."""

import pytest

from attention_harness.cli import list as listing
from attention_harness.process import kept_descriptions
from attention_harness.process.worker import descriptions
from attention_harness.registry.targets import Target, resolve

NAMES = ["numpy-eager", "torch-cuda-eager"]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Names of the targets that a process was asked for; nothing is kept before."""
    names = []

    def recorded(targets):
        names.extend(target.name for target in targets)
        return descriptions(targets)

    monkeypatch.setenv("ATTENTION_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(listing, "descriptions", recorded)
    kept_descriptions._state.cache_clear()
    yield names
    kept_descriptions._state.cache_clear()


def again(asked):
    asked.clear()
    kept_descriptions._state.cache_clear()
    return listing.described(resolve(NAMES))


def test_the_second_time_nothing_is_asked(asked):
    first = listing.described(resolve(NAMES))
    assert sorted(asked) == NAMES
    assert again(asked) == first
    assert not asked


def test_what_was_not_asked_before_is_asked(asked):
    listing.described(resolve(NAMES[:1]))
    listing.described(resolve(NAMES))
    assert asked == NAMES
    again(asked)
    assert not asked


@pytest.mark.parametrize(("name", "value"), [("CUDA_VISIBLE_DEVICES", "7"), ("JAX_PLATFORMS", "cpu")])
def test_other_devices_are_asked_for(asked, monkeypatch, name, value):
    listing.described(resolve(NAMES))
    monkeypatch.setenv(name, value)
    again(asked)
    assert sorted(asked) == NAMES


def test_another_version_is_asked_for(asked, monkeypatch, tmp_path):
    listing.described(resolve(NAMES))
    (tmp_path / "packages" / "torch-99.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    again(asked)
    assert sorted(asked) == NAMES


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"state": 1, "answers": {}}'])
def test_a_damaged_file_is_as_good_as_none(asked, tmp_path, content):
    first = listing.described(resolve(NAMES))
    (tmp_path / "cache" / kept_descriptions.FILE).write_bytes(content)
    assert again(asked) == first
    assert sorted(asked) == NAMES


def test_a_forged_description_is_asked_for_again(asked, tmp_path):
    first = listing.described(resolve(NAMES))
    file = tmp_path / "cache" / kept_descriptions.FILE
    file.write_text(file.read_text().replace('"cpu"', '"a/b"'))
    assert again(asked) == first
    assert sorted(asked) == NAMES


def test_functions_of_users_are_never_remembered(asked, tmp_path):
    (tmp_path / "mine.py").write_text("def attention(q, k, v):\n    return v\n")
    mine = Target("mine", f"{tmp_path}/mine.py:attention", registered=False)
    for _ in range(2):
        asked.clear()
        listing.described([mine])
        assert asked == ["mine"]


def test_switched_off_it_keeps_nothing(asked, monkeypatch):
    monkeypatch.setenv("ATTENTION_HARNESS_CACHE", "off")
    listing.described(resolve(NAMES))
    again(asked)
    assert sorted(asked) == NAMES
