"""The summary of a job, in Markdown: the report, cut to the size that services take."""

from pathlib import Path

from attention_reports.load import Run
from attention_reports.markdown import render

MOST_BYTES = 2**20
"""What GitHub takes of a step, in UTF-8: a larger summary is not shown at all."""
MOST_FINDINGS = 200
CUT = "\n\nThe rest was cut: the summary of a job has at most 1 MiB.\n"


def append_summary(run: Run, path: Path) -> None:
    """Adds the summary to the file, as steps of a job do; the whole file stays below 1 MiB. OSError where that fails."""
    there = path.stat().st_size if path.exists() else 0
    text = cut(render(run, MOST_FINDINGS), MOST_BYTES - there)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def cut(text: str, most: int) -> str:
    """The first blocks of the text, as many as fit into so many bytes, and a note where that is not all; "" where nothing fits."""
    if len(text.encode()) <= most:
        return text
    left, kept = most - len(CUT.encode()), list[str]()
    for block in text.split("\n\n"):
        left -= len(block.encode()) + len("\n\n" if kept else "")
        if left < 0:
            break
        kept.append(block)
    return "\n\n".join(kept) + CUT if kept else ""
