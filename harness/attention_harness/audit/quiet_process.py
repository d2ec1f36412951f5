"""A process of the pool in which foreign functions run: their words stay out of the output of the command."""

from __future__ import annotations

import os
import warnings

from attention_harness.process.limits import ONE_THREAD


def quiet_process() -> None:
    """Sends standard output nowhere, ignores warnings, and asks for one thread of each library that is not loaded yet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    warnings.simplefilter("ignore")
    os.environ.update(ONE_THREAD)
