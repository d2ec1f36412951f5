"""Does a candidate work while the clock runs, on every call, whatever it has seen before? Looked at in a pass of its own.

Outputs kept from earlier calls, outputs that are computed when somebody reads them, and work that goes on after the return
have been found in submissions to kernel contests (flashinfer-bench-starter-kit issue 21). Correct outputs do not show them:
the right values are there by the time that they are looked at. Times do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any

from harness.timing.candidate import Candidate
from harness.timing.messages import Outputs

FIRST_NUMBER = 1_000_000
"""Numbers of contents (see Candidate.fill) that no round has had."""

FEWEST, MOST = 2, 6
LEADS, SHORT = 8, 2e-3
"""So many calls on one buffer come first: whoever works less when calls follow each other closely does so by then. One call
does, where calls take long."""

AGAIN = 3
"""So many times values were seen when they count as seen before; once, where calls take long."""

IDLE = 5e-3
"""Seconds for which a finished candidate is listened to."""

MUCH = 1.5
"""How many times longer calls on new values may take than on values seen before, both the fastest and the middle one."""

VERY_MUCH = 3.0
"""How many times longer the fastest call on new values may take than the middle one of the timed rounds, some time before."""

LEAST_READING = 2e-4
"""Seconds; conversions that are set up once take less."""

PROCESSORS = 1.5


@dataclass
class Watched:
    """Seconds, one entry per call or block; `outputs` are of values that are new, as (copy, output)."""

    novel: list[float] = field(default_factory=list)
    repeated: list[float] = field(default_factory=list)
    reading: list[float] = field(default_factory=list)
    """Of an output's first conversion to NumPy, less the second's."""
    after: list[float] = field(default_factory=list)
    """Processor time in IDLE seconds after a call."""
    cores: list[float] = field(default_factory=list)
    """Processors used during calls."""
    outputs: list[tuple[int, Outputs]] = field(default_factory=list)


def watch(candidate: Candidate, seconds: float, rest: Callable[[float], None] = sleep) -> Watched:
    """Calls on values that are new, then on the same values once more, after the same preparation; for about `seconds`."""
    found, call = Watched(), median(candidate.series)
    leads, again = (LEADS, AGAIN) if call < SHORT else (1, 1)
    blocks = int(seconds / ((2 * leads + (1 + again) * len(candidate.calls)) * call + 1e-9))
    for number in range(FIRST_NUMBER, FIRST_NUMBER + min(max(blocks, FEWEST), MOST)):
        outs = _block(candidate, number, [0] * leads, found.novel, found.cores)
        first, second = _reading(candidate, outs[-1][1]), _reading(candidate, outs[-1][1])
        found.reading.append(first - second)
        found.after.append(_working(rest))
        found.outputs += [(copy, candidate.output(out)) for copy, out in outs]
        seen = [buffer for _ in range(again) for buffer in range(len(candidate.calls))]
        _block(candidate, number, [*seen, *[0] * leads], found.repeated, found.cores)
    return found


def _block(
    candidate: Candidate, number: int, leads: Sequence[int], seconds: list[float], cores: list[float]
) -> list[tuple[int, Any]]:
    """Fresh contents, the leading calls on these buffers, and a timed call on each but the first; their outputs."""
    candidate.fill(number)
    for buffer in leads:
        candidate.call(buffer)
    own, wall = process_time(), perf_counter()
    timed = [(candidate.copy(buffer), *candidate.timed(buffer)) for buffer in range(1, len(candidate.calls))]
    cores.append((process_time() - own) / (perf_counter() - wall))
    seconds += [took for _, took, _ in timed]
    return [(copy, out) for copy, _, out in timed]


def _reading(candidate: Candidate, native: Any) -> float:
    start = candidate.clock()
    candidate.output(native)
    return (candidate.clock() - start) / 1e9


def _working(rest: Callable[[float], None]) -> float:
    start = process_time()
    rest(IDLE)
    return process_time() - start


def dishonesty(found: Watched, timed: float) -> str:
    """What a candidate does that makes its time no time of the work; nothing if it is honest. `timed` are its seconds per
    call, the median of its rounds."""
    call = median(found.novel)
    if min(found.novel) > VERY_MUCH * timed:
        return f"a timed call takes {timed:.2g} s, one on new values {call:.2g} s: it knows when it is timed"
    if min(found.novel) > MUCH * min(found.repeated) and call > MUCH * median(found.repeated):
        return f"a call on values seen before takes {median(found.repeated):.2g} s, on new ones {call:.2g} s: outputs are kept"
    if min(found.reading) > max(call, LEAST_READING):
        return f"a call takes {call:.2g} s, and reading its output {min(found.reading):.2g} s: the work is put off"
    if median(found.after) > max(call, IDLE / 2):  # a framework may tidy up, but not for longer than it worked
        return f"after the return, {median(found.after) / IDLE:.0%} of a processor go on working"
    if median(found.cores) > PROCESSORS:
        return f"processors={median(found.cores):.1f}, but should be 1 like everybody's: it starts threads of its own"
    return ""
