"""The timing put to the proof: `python -m attention_harness.timing.validation same|slower|printed|cheats|honest|tools`.

docs/timing.md has what was seen.
Comparisons whose right verdict is known (identical code, a planted slow-down, a cheat) are given to the timing itself, to
count how often it is wrong; and to other tools on the same machine in the same minutes.
"""
