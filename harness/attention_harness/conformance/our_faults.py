"""Exceptions of our own: the sentence about one, and those that end a whole run."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from attention_harness.errors import printable


def require_space(error: Exception) -> None:
    """Raises an error that ends the whole run: no space is left."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise error


def our_fault(error: Exception) -> str:
    """The sentence about an exception of our own."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    text = printable(f"{type(error).__name__}: {error}")
    return f"fault of attention-harness: {text} ({where}); nothing is said of the implementation, please report this"
