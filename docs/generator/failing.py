"""The picture of a failing case: the weights of the head that is wrong, and the query whose output is wrong."""

from __future__ import annotations

import re

import numpy as np

from attention_specs.attention.inputs import realise
from attention_specs.attention.oracle import attention
from attention_specs.case import Case
from generator import pictures

CAPTION = (
    "The right weights of the head that fails: queries are rows, keys are columns, grey cells are hidden, a framed row is wrong."
)
LONGEST = 32
"""Rows or columns of a picture; longer problems have none."""


def picture(case: Case, sentence: str) -> str:
    """The picture as SVG; "" for a layer, for a single score, and for a problem that is too large to be seen."""
    if case.problem.spec != "attention":
        return ""
    x = realise(case)
    queries, keys = x.score_shape[-2:]
    if queries * keys < 2 or max(queries, keys) > LONGEST:
        return ""
    batch, head, query = _place(sentence) or (0, 0, None)
    visible = np.broadcast_to(x.visible(), x.score_shape)[batch, head]
    weights = attention(x).weights[batch, head]
    return pictures.weights(np.where(visible, weights, np.nan), query)


def _place(sentence: str) -> tuple[int, int, int] | None:
    """The entry, head and query of the element that a sentence names; None for other arrays than those with a row for each query."""
    match = re.match(r"(?:out|dq|weights|lse)\[(\d+),(\d+),(\d+)[,\]]", sentence)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
