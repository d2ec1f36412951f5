"""`python -m attention_harness` is `attention-harness`: neither looks for its modules in the working directory."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]

    from attention_harness.cli.app import command

    command()
