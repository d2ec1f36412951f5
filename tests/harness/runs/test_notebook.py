"""Progress in a notebook: a kernel of its own shows a line that is replaced, and then the result."""

from __future__ import annotations

import os
import sys
from textwrap import dedent

import pytest

from attention_harness.runs.notebook import ProgressLine, in_notebook, notebook_progress

CELL = """
import numpy as np
from attention_harness import check_attention

def mean(q, k, v):
    return np.broadcast_to(v.mean(2, keepdims=True), (*q.shape[:3], v.shape[3])).astype(q.dtype)

check_attention(mean, properties=["P1", "P4"], examples=2, dtypes=["float32"])
"""


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """What the kernel sends while it runs the cell, and the outputs that the cell has at the end."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    sent = []

    class Client(nbclient.NotebookClient):
        def process_message(self, msg, cell, cell_index):
            sent.append((msg["header"]["msg_type"], msg["content"].get("data", {})))
            return super().process_message(msg, cell, cell_index)

    folder = str(tmp_path_factory.mktemp("notebook"))
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    environment = os.environ | dict.fromkeys(names, folder) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(dedent(CELL))])
    Client(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}).execute(env=environment)
    return sent, book.cells[0].outputs


@pytest.mark.slow
def test_a_kernel_shows_a_line_that_is_replaced_and_the_result(messages):
    sent, (line, result) = messages
    updates = [data["text/plain"] for kind, data in sent if kind == "update_display_data"]
    assert len(updates) > 2
    counts = [int(text.split()[1]) for text in updates]
    assert counts == sorted(counts)
    assert len(set(counts)) > 2
    assert line["data"]["text/plain"].startswith(f"mean: {counts[-1]} of {counts[-1]} cases, ")
    assert line["data"]["text/html"].startswith(f'<progress value="{counts[-1]}" max="{counts[-1]}"></progress> mean: ')
    assert "violates: output agrees with the oracle: out[" in line["data"]["text/plain"]
    assert result["data"]["text/html"].startswith("<p><b>mean does not agree with the specification.</b>")
    assert "<td>P4</td>" in result["data"]["text/html"]


def test_nothing_is_shown_elsewhere(capsys):
    assert not in_notebook()
    with notebook_progress("f", 10) as listener:
        listener.step()
        listener.failed("violates: ...")
    assert capsys.readouterr() == ("", "")


def test_a_failure_is_text_and_no_markup():
    line = ProgressLine("f", 10, failure="a < b\x1b[0m")
    assert "a &lt; b" in line._repr_html_()
    assert "\x1b" not in repr(line) + line._repr_html_()
