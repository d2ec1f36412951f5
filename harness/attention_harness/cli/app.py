"""The command line: the application, its commands in order, and the exit status of a call.

Exit status: 0 nothing wrong; 1 an implementation is wrong, crashed, hung or regressed; 2 the call is wrong (one line);
3 nothing, or too little, could be judged; 70 a fault of the harness, or a full disk; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from attention_harness.cli.audit import audit
from attention_harness.cli.bench import bench
from attention_harness.cli.check import check, merge
from attention_harness.cli.exit_status import BAD_CALL, INTERRUPTED, NOTHING, RIGHT, WRONG
from attention_harness.cli.help import Completion, begin_completion, examples, print_version
from attention_harness.cli.list import list_
from attention_harness.cli.new import new
from attention_harness.cli.probe import probe
from attention_harness.cli.properties import properties
from attention_harness.cli.replay import replay
from attention_harness.cli.report import compare, matrix, report
from attention_harness.cli.run import run
from attention_harness.errors import NotLoaded, UsageError
from attention_harness.process import compilation_cache
from attention_harness.process.worker import stop_loaded
from attention_harness.runs import ending
from attention_harness.runs.verdict import Status, Verdict

__all__ = ["NOTHING", "RIGHT", "WRONG", "app", "command", "main"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command("list", epilog=examples("list"))(list_)
for each in (check, merge, bench, run, report, compare, matrix, replay, probe, audit, new, properties):
    app.command(epilog=examples(each.__name__))(each)


Version = Annotated[bool, typer.Option("--version", callback=print_version, is_eager=True, help="Versions, and no more.")]


@app.callback()
def start(version: Version = False, print_completion: Completion = None) -> None:
    """Is this attention right, and is it fast?"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    ending.begun()
    begin_completion()
    verdict = Verdict.requested(sys.argv[1:] if arguments is None else arguments)
    try:
        verdict.begin()
        return int(app(arguments, standalone_mode=False, obj=verdict) or 0)
    except (UsageError, TyperException) as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        status = Status.NOT_LOADED if isinstance(error, NotLoaded) else Status.INVALID_REQUEST
    except (Abort, KeyboardInterrupt):
        print(f"attention-harness: interrupted{ending.kept()}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # the one place that everything of ours comes to
        message = ending.fault(error)
        verdict.end(Status.HARNESS_FAULT, message)
        print(f"attention-harness: {message}", file=sys.stderr)
        return ending.OURS
    finally:
        stop_loaded()
        compilation_cache.close_cache()
    from attention_reports.text import visible

    message = visible(" ".join(message.split()))
    verdict.end(status, message)
    print(f"attention-harness: {message}", file=sys.stderr)
    return BAD_CALL


def command() -> None:
    """The installed command."""
    ending.watch()
    sys.exit(main())
