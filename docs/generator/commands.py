"""The commands, from the command line itself."""

from __future__ import annotations

from typing import Any

import typer

from attention_harness.cli.app import app
from attention_harness.cli.help import EXAMPLES
from generator.markdown import page, table


def pages() -> dict[str, str]:
    """An index of the commands, and a page for each."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    rows = [(f"[`{name}`]({name}.md)", _lines(command)[0]) for name, command in commands.items()]
    index = page(
        "Commands",
        "`attention-harness COMMAND`, or `python -m attention_harness COMMAND`. With `--help` each command lists its options.",
        table(("command", "does"), rows),
        "[In CI](/docs/tutorial/ci.md) has the exit statuses.",
        "```{toctree}\n:hidden:\n\n" + "\n".join(commands) + "\n```",
    )
    return {"commands/index.md": index} | {f"commands/{name}.md": _page(name, command) for name, command in commands.items()}


def _lines(command: Any) -> list[str]:
    return (command.help or "").splitlines() or [""]


def _page(name: str, command: Any) -> str:
    arguments = [one for one in command.params if not one.opts[0].startswith("-")]
    options = [one for one in command.params if one.opts[0].startswith("-") and not one.hidden]
    call = " ".join(["attention-harness", name, *map(_usage, arguments), *(["[OPTIONS]"] if options else [])])
    rows = [(f"`{_usage(one)}`", one.help, "") for one in arguments]
    rows += [(", ".join(f"`{_flag(one, flag)}`" for flag in one.opts), one.help, _default(one)) for one in options]
    examples = "\n".join(f"attention-harness {words}" for words in EXAMPLES[name])
    return page(
        name,
        "\n".join(_lines(command)),
        f"```text\n{call}\n```",
        table(("argument", "meaning", "default"), rows),
        f"## Examples\n\n```sh\n{examples}\n```",
    )


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _flag(option: Any, flag: str) -> str:
    return flag if option.is_flag else f"{flag} {option.name.strip('_').upper()}"


def _default(option: Any) -> str:
    return "" if option.default is None or option.is_flag else f"`{option.default}`"
