"""The committed example: its report can be written again from its tables alone, and says what the committed page says."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "reports" / "example"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    spec = spec_from_file_location("rebuild_example", EXAMPLE / "rebuild.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.rebuild(tmp_path_factory.mktemp("example")).read_text(encoding="utf-8")


def words(html):
    """The text of a page, without markup: pictures may differ in the last digit between machines."""
    return re.sub(r"\s+", " ", re.sub(r"<(script|style|svg).*?</\1>|<[^>]+>", " ", html, flags=re.S))


def test_the_report_is_that_of_the_tables(page):
    assert words(page) == words((EXAMPLE / "report.html").read_text(encoding="utf-8"))


def test_it_is_a_sound_run_of_every_framework(page):
    assert "agree with the specification" in page
    assert all(name in page for name in ("numpy-eager", "torch-sdpa-flash", "jax-nn", "torch-nn-multi-head"))
