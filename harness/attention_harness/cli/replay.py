"""The command `replay`: one recorded case again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attention_harness.cli.exit_status import NOTHING, RIGHT, WRONG
from attention_harness.cli.options import Declare, Json, declarations_of
from attention_harness.cli.output import print_json


def replay(
    file: Annotated[Path, typer.Argument(help="A case, as a run writes it to cases/<id>.json.")],
    target: Annotated[str | None, typer.Argument(help="Another implementation to try it on.")] = None,
    declare: Declare = None,
    as_json: Json = False,
) -> int:
    """One recorded case again, under the conventions and limits of its run. Exit 3 if it could not be judged."""
    from attention_harness.conformance import replay as replaying

    finding = replaying.replay(file, target, declarations_of(declare))
    if as_json:
        print_json({"sentence": finding.sentence, "wrong": finding.wrong, "judged": finding.judged})
    else:
        print(finding.sentence)
    return WRONG if finding.wrong else RIGHT if finding.judged else NOTHING
