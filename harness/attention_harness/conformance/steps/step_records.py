"""The steps of one implementation in a file, a line each, written as soon as a step ends: a check that was killed goes on there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from attention_harness.conformance.failures.reproducers import file_name
from attention_harness.conformance.steps import observation
from attention_harness.conformance.steps.observation import Observation
from attention_harness.registry.targets import Target, source_of
from attention_specs.case import Case
from attention_specs.contract import Description

FOLDER = "steps"


def path_of(folder: Path, name: str) -> Path:
    """The file of an implementation, in the folder of a run."""
    return folder / FOLDER / f"{file_name(name)}.jsonl"


class StepRecords:
    """The records of one implementation. Without a path there are none, and none is kept.

    Those of another function, which has other declarations or another source, are dropped.
    """

    def __init__(self, path: Path | None = None, target: Target | None = None, description: Description | None = None) -> None:
        self.path, self.times = path, Counter[str]()
        self.lines: dict[str, str] = {}
        if path is None or target is None or description is None:
            return
        head = head_of(target, description)
        stored, self.lines = read(path)
        if stored != head:
            self.lines = {}
            write(path, head, [])

    def key(self, stage: str, case: Case) -> str:
        """The name of the next step with this case: its cases may be the same one, without the options that a signature lacks."""
        name = f"{stage} {case.id}"
        self.times[name] += 1
        return f"{name} {self.times[name]}"

    def __contains__(self, key: str) -> bool:
        return key in self.lines

    def take(self, key: str) -> Observation | None:
        """The observation of a step; None where it is not known."""
        line = self.lines.pop(key, None)
        return observation.read(line) if line else None

    def add(self, key: str, seen: Observation) -> None:
        """Writes one down."""
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(f"\n{seen.written(key)}\n")  # a new line first: the last one may have been cut off


def read(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    """The head of a file of records, and its lines by the name of their step; both empty where there is none."""
    lines = list(_lines(path)) if path.exists() else []
    if not lines or "description" not in lines[0][0]:
        return {}, {}
    return lines[0][0], {str(data["step"]): line for data, line in lines[1:] if "step" in data}


def head_of(target: Target, description: Description) -> dict[str, object]:
    """The head of the records of this function: its declarations, and a number for its source."""
    head: dict[str, object] = json.loads(json.dumps({"description": asdict(description), "source": _source(target)}))
    return head


def write(path: Path, head: Mapping[str, object], lines: Iterable[str]) -> None:
    """Writes a file of records anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.writelines(f"{line.strip()}\n" for line in (json.dumps(head), *lines))


def _lines(path: Path) -> Iterator[tuple[dict[str, object], str]]:
    """Those that are whole."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                data = json.loads(line)
            except ValueError:
                continue
            if isinstance(data, dict):
                yield data, line


def _source(target: Target) -> str:
    """A number for the text of the function's file; "" where it has none that is known without loading it."""
    path = source_of(target)
    try:
        return sha256(path.read_bytes()).hexdigest() if path else ""
    except OSError:
        return ""
