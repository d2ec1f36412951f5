"""The check of the links of the built handbook."""

from __future__ import annotations

import pytest

import links


@pytest.mark.parametrize(
    ("link", "is_dead"),
    [
        ("b.html", False),
        ("b.html#here", False),
        ("b.html#there", True),
        ("c.html", True),
        ("#top", True),
        ("https://example.org/c", False),
    ],
)
def test_a_link_that_leads_nowhere_is_reported(tmp_path, link, is_dead):
    (tmp_path / "a.html").write_text(f'<a href="{link}">x</a>')
    (tmp_path / "b.html").write_text('<p id="here">y</p>')
    assert links.dead(tmp_path) == ([f"a.html: {link}"] if is_dead else [])
