"""Text of a run as HTML."""

import pytest

from attention_reports.templating import prose


@pytest.mark.parametrize(
    ("statement", "html"),
    [
        ("With `V = 1`, *any*\nrow.", "With <code>V = 1</code>, <em>any</em> row."),
        ("`a * b * c`, <b>", "<code>a * b * c</code>, &lt;b&gt;"),
        ("[Bounds](precision.md), 9.\n\n```python\n>>> 1\n```", "Bounds, 9."),
        ("`open", "<code>open</code>"),
        ("\u202e", "\\u202e"),
    ],
)
def test_a_statement_is_code_and_emphasis(statement: str, html: str) -> None:
    assert prose(statement) == html
