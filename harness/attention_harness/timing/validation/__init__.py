"""Validation of the timing: `python -m attention_harness.timing.validation same|slower|printed|cheats|honest|tools|stopping`.

Comparisons whose right verdict is known (identical code, a planted slow-down, a cheat) go to the timing itself, whose errors
are counted; and to other tools on the same machine in the same minutes. docs/timing.md has the results.
"""
