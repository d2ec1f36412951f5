"""The folder of a run: one process writes to it, and files that lie in it already are never written over."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from attention_harness.conformance.settings import Settings
from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target, resolve

LOCK = ".lock"
FREE = ("jobs", "executor")
"""Settings that no result depends on: a run may go on with others."""


def fresh(command: str) -> Path:
    """A new folder under reports/generated, named after the time; runs of one second are numbered."""
    stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    base = Path("reports") / "generated" / f"{stamp}-{command}"
    for folder in (base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 100))):
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise UsageError(f"output={base}, but should be given: a hundred runs of this second have it")


def locked(folder: Path) -> IO[str]:
    """The folder's lock file, held until it is closed or the process ends. UsageError where another run holds it."""
    file = (folder / LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(
            f"output={folder}, but should be the folder of one run at a time: another run is writing to it"
        ) from error
    return file


def require_empty(folder: Path) -> None:
    """UsageError for a folder in which anything lies."""
    names = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if "run.json" in names:
        raise UsageError(f"output={folder}, but should be a new folder: a run lies there, `--resume {folder}` goes on with it")
    if names:
        raise UsageError(f"output={folder}, but should be a new or empty folder: {', '.join(names[:3])} lies there")


def metadata(folder: Path, option: str) -> dict[str, object]:
    """The document run.json in a folder that an option names. UsageError where it has no arguments that can be read."""
    try:
        document: dict[str, object] = json.loads((folder / "run.json").read_text())
        arguments = document["arguments"]
        _ = arguments["command"], targets_of(arguments)  # type: ignore[index, arg-type]
    except OSError as error:
        raise UsageError(f"{option}={folder}, but should be the folder of a run, with run.json in it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{option}={folder}, but should be the folder of a run with its arguments in run.json: {error}"
        ) from error
    return document


def stored(folder: Path, command: str) -> dict[str, object]:
    """The arguments of the interrupted run in a folder. UsageError where there is none of that command."""
    stored = metadata(folder, "resume")
    arguments = stored["arguments"]
    assert isinstance(arguments, dict)
    if (begun := arguments["command"]) != command:
        raise UsageError(f"resume={folder}, but should be the folder of a `{command}`: it is that of a `{begun}`")
    if stored.get("complete"):
        raise UsageError(f"resume={folder}, but should be an interrupted run: that one is complete, `report {folder}` shows it")
    if arguments.get("seed", 0) is None:
        raise UsageError(f"resume={folder}, but should be a run whose seed is known: this one kept it secret, so begin a new one")
    return dict(arguments)


def resumed(
    folder: Path, before: Mapping[str, object], given: Mapping[str, object], default: Mapping[str, object]
) -> dict[str, object]:
    """The stored arguments. UsageError for an argument that differs from the stored one."""
    plain: dict[str, object] = json.loads(json.dumps(dict(given), default=str))
    usual: dict[str, object] = json.loads(json.dumps(dict(default), default=str))
    for name, value in plain.items():
        if name not in FREE and value not in (usual.get(name), before.get(name)):
            raise UsageError(f"{name}={_text(value)}, but should be as in {folder}, {_text(before.get(name))}: leave it out")
    free = {name: plain[name] for name in FREE if name in plain and plain[name] != usual.get(name)}
    return {**before, **free}


def _text(value: object) -> str:
    items = value if isinstance(value, list) else [value]
    return ", ".join(str(item["name"]) if isinstance(item, dict) and "name" in item else str(item) for item in items)


def targets_of(arguments: Mapping[str, Any]) -> list[Target]:
    """The targets that a run was asked to judge."""
    return [Target(**target) for target in arguments["targets"]]


def settings_from(arguments: Mapping[str, Any]) -> Settings:
    """The settings that a run was asked to judge by."""
    known = {field.name: arguments[field.name] for field in fields(Settings) if field.name in arguments}
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    return Settings(**plain)


@dataclass(frozen=True)
class RunRequest:
    """The request for a run. `more` holds arguments beside the settings of a check: the baseline, the workloads."""

    command: str
    targets: list[Target]
    settings: Settings
    more: dict[str, Any]

    def arguments(self) -> dict[str, object]:
        """Plain data, for run.json."""
        targets = [asdict(target) for target in self.targets]
        return {"command": self.command, "targets": targets, **asdict(self.settings), **self.more}


USUAL = RunRequest("", [], Settings(), {"quick": False, "baseline": "numpy-eager", "workload": [], "budget": None})
"""The request of an empty command line."""


def request(command: str, named: Sequence[str], settings: Settings, resume: Path | None, **more: object) -> RunRequest:
    """The request of the command line, or that of the interrupted run, which the command line may repeat."""
    if resume is None:
        return RunRequest(command, resolve(named, settings.attributes), settings, more)
    before = stored(resume, command)
    given = RunRequest(command, resolve(named, settings.attributes) if named else [], settings, more).arguments()
    arguments = resumed(resume, before, given, USUAL.arguments())
    return RunRequest(command, targets_of(arguments), settings_from(arguments), {name: arguments.get(name) for name in more})
