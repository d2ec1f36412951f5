"""The command `new`: a file to begin with, which passes `check` as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attention_harness.cli.exit_status import RIGHT
from attention_harness.errors import UsageError

TEMPLATES = Path(__file__).with_name("templates")
FORMS = ("attention", "multi_head", "merge")
FRAMEWORKS = ("numpy", "torch", "jax")

Name = Annotated[Path, typer.Argument(help="The file: mine, or kernels/mine.py.")]
Framework = Annotated[str, typer.Option(help=f"Framework of its arrays: {', '.join(FRAMEWORKS)}.")]
FORM_HELP = "The function to write: attention, multi_head (a layer with its weights), merge (of two parts of an attention)."
Form = Annotated[str, typer.Option(help=FORM_HELP)]


def new(name: Name, framework: Framework = "numpy", form: Form = "attention") -> int:
    """A commented file to begin with, which passes `check` as it stands."""
    for option, value, known in (("framework", framework, FRAMEWORKS), ("form", form, FORMS)):
        if value not in known:
            raise UsageError(f"{option}={value}, but should be one of {', '.join(known)}")
    file = name if name.suffix == ".py" else name.with_name(f"{name.name}.py")
    _write(file, (TEMPLATES / f"{form}_{framework}.py.txt").read_text(encoding="utf-8").replace("FILE", str(file)))
    print(f"{file} is written. Next: attention-harness check {file}:{form} --quick")
    return RIGHT


def _write(file: Path, text: str) -> None:
    """Writes a file that is not there yet. Raises UsageError."""
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise UsageError(f"name={file}, but should be a new file: this one is there already") from None
    except OSError as error:
        raise UsageError(f"name={file}, but should be a file that can be written: {error.strerror}") from error
