"""Shards of one check, each run by itself, and the run that they are together."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from attention_harness.conformance.plan import CheckResult
from attention_harness.conformance.steps import observation, step_records
from attention_harness.conformance.steps.share import parsed
from attention_harness.errors import CallFailed, UsageError
from attention_harness.process.worker import descriptions
from attention_harness.registry.targets import Target
from attention_harness.runs import folder as folders
from attention_harness.runs import journal
from attention_harness.runs.environment import environment
from attention_harness.runs.folder import FREE, RunRequest
from attention_harness.runs.run import Run

SAME = ("commit", "python", "packages", "cpu", "gpu", "variables", "extended_precision", "sandbox")
"""Parts of the environment that can change a row."""

OF_A_TASK = ("CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED")
"""Variables that differ from task to task: they name a device of one kind, or a seed that no row depends on."""


@dataclass(frozen=True)
class Shard:
    """The folder of a shard, and what lies in it."""

    folder: Path
    arguments: Mapping[str, object]
    metadata: Mapping[str, object]
    results: Mapping[str, CheckResult]

    @classmethod
    def load(cls, folder: Path) -> Shard:
        """That of a shard that is complete. UsageError for any other folder."""
        metadata = folders.metadata(folder, "run")
        arguments = metadata["arguments"]
        assert isinstance(arguments, dict)
        if not arguments.get("shard"):
            raise UsageError(f"run={folder}, but should be the folder of a `check --shard`: it is that of a whole run")
        if not metadata.get("complete"):
            raise UsageError(f"run={folder}, but should be complete: `attention-harness check --resume {folder}` goes on with it")
        return cls(folder, arguments, metadata, journal.stored(folder))

    @property
    def place(self) -> tuple[int, int]:
        """Its number, and the number of all."""
        return parsed(str(self.arguments["shard"]))

    @property
    def settled(self) -> dict[str, object]:
        """What must be the same in each: the arguments, and the environment."""
        own = {name: value for name, value in self.arguments.items() if name not in ("shard", *FREE)}
        return own | _comparable(self.metadata["environment"])


def _comparable(environment: object) -> dict[str, object]:
    assert isinstance(environment, Mapping)
    plain: dict[str, object] = json.loads(json.dumps(dict(environment), default=str))
    variables = plain.get("variables")
    if isinstance(variables, dict):
        plain["variables"] = {name: value for name, value in variables.items() if name not in OF_A_TASK}
    return {name: plain.get(name) for name in SAME}


def loaded(runs: Sequence[Path]) -> list[Shard]:
    """All shards of one check, in their order. UsageError for those that do not belong together, and where one is missing."""
    shards = sorted((Shard.load(run) for run in runs), key=lambda shard: shard.place)
    first, (_, count) = shards[0], shards[0].place
    for shard in shards[1:]:
        _require_alike(shard.folder, shard.settled, first)
        if shard.place[1] != count:
            raise UsageError(f"shard={_name(shard)} in {shard.folder}, but should be one of {count}, as in {first.folder}")
    _require_each_once(shards, count)
    _require_alike(None, first.settled | _comparable(environment()), first)
    return shards


def _name(shard: Shard) -> str:
    return str(shard.arguments["shard"])


def _require_alike(folder: Path | None, settled: Mapping[str, object], first: Shard) -> None:
    where = f"in {folder}" if folder else "on this machine"
    for name, value in first.settled.items():
        if settled.get(name) != value:
            wanted, got = _difference(value, settled.get(name))
            raise UsageError(f"{name}={got} {where}, but should be as in {first.folder}, {wanted}")


def _difference(wanted: object, got: object) -> tuple[str, str]:
    """Both as text; of mappings the entries alone that differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        names = [name for name in sorted({*wanted, *got}) if wanted.get(name) != got.get(name)]
        wanted, got = ({name: one.get(name) for name in names} for one in (wanted, got))
    return json.dumps(wanted)[:200], json.dumps(got)[:200]


def _require_each_once(shards: Sequence[Shard], count: int) -> None:
    places = [shard.place[0] for shard in shards]
    for shard, other in pairwise(shards):
        if shard.place == other.place:
            raise UsageError(f"shard={_name(shard)}, but should be given once: {shard.folder} and {other.folder}")
    if missing := [f"{number}/{count}" for number in range(1, count + 1) if number not in places]:
        raise UsageError(f"shards={', '.join(map(_name, shards))}, but should be all: {', '.join(missing)} missing")


def request_of(shards: Sequence[Shard], jobs: int) -> RunRequest:
    """The request of the whole check."""
    arguments = shards[0].arguments
    settings = replace(folders.settings_from(arguments), shard="", jobs=jobs)
    return RunRequest("check", folders.targets_of(arguments), settings, {})


def require_loadable_alike(shards: Sequence[Shard], targets: Sequence[Target]) -> None:
    """UsageError for an implementation that is another one here, or that some shards could not load."""
    judged = [target for target in targets if _judged(target.name, shards)]
    for target, described in zip(judged, descriptions(judged), strict=True):
        if isinstance(described, CallFailed):
            raise UsageError(f"{target.name}={described}, but should be loaded here as in its shards")
        here = step_records.head_of(target, described)
        for shard in shards:
            head, _ = step_records.read(step_records.path_of(shard.folder, target.name))
            if head != here:
                wanted, got = _difference(_flat(head), _flat(here))
                raise UsageError(f"{target.name}={got} here, but should be as in {shard.folder}, {wanted}")


def _flat(head: Mapping[str, object]) -> dict[str, object]:
    described = head.get("description")
    return {"source": head.get("source"), **(described if isinstance(described, dict) else {})}


def _judged(name: str, shards: Sequence[Shard]) -> bool:
    """Whether the shards judged the implementation; False where none could load it."""
    for shard in shards:
        if name not in shard.results or shard.results[name].ours:
            raise UsageError(f"{name} in {shard.folder}, but should have no fault of the harness: run shard {_name(shard)} again")
    judged = [shard.results[name].description is not None for shard in shards]
    if any(judged) != all(judged):
        other = shards[judged.index(False)]
        message = other.results[name].rows[0].message
        raise UsageError(f"{name} in {other.folder}, but should be loaded in every shard or in none: {message}")
    return all(judged)


def join(shards: Sequence[Shard], targets: Sequence[Target], run: Run) -> None:
    """Puts the records of all shards into the folder of the run, from where the check goes on."""
    for target in targets:
        if _judged(target.name, shards):
            _join(shards, target.name, run.folder)
        else:
            run.append(shards[0].results[target.name])
    entries = [{"shard": _name(shard), **{name: shard.metadata[name] for name in ("started", "seconds")}} for shard in shards]
    run.save(shards=entries)


def _join(shards: Sequence[Shard], name: str, folder: Path) -> None:
    """The records of one implementation. UsageError for a case that two shards have, and for dtypes that not all refuse."""
    joined: dict[str, str] = {}
    refused: list[Collection[str]] = []
    for shard in shards:
        head, lines = step_records.read(step_records.path_of(shard.folder, name))
        plain = {key: line for key, line in lines.items() if key.startswith("plain ")}
        refused.append([key for key, line in plain.items() if (seen := observation.read(line)) and seen.refusal])
        if refused[0] != refused[-1]:
            raise UsageError(f"{name} in {shard.folder}, but should refuse the same dtypes as in {shards[0].folder}")
        if twice := joined.keys() & (lines.keys() - plain.keys()):
            raise UsageError(f"{name} in {shard.folder}, but should have cases of its own: {min(twice)} is in another shard")
        joined = lines | joined
    step_records.write(step_records.path_of(folder, name), head, joined.values())
