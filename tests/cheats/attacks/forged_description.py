"""Describes itself at the pipe, under a name that leads out of the folder of the run."""

from __future__ import annotations

import sys

from attention_specs.contract import Description

frame = sys._getframe()
while "requests" not in frame.f_locals:
    frame = frame.f_back
frame.f_locals["channel"].reply(frame.f_locals["first"], Description("../../outside"))


def attention(q, k, v):
    return q
