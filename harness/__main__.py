"""`python -m harness` is `attention-harness`."""

from harness.cli import command

if __name__ == "__main__":
    command()
