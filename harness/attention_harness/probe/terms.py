"""The terms in which a probe asks: sizes, values and options of a call of either spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.problem import Problem, Window
from attention_specs.biases import Bias
from attention_specs.masks import Mask
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.problem import LayerProblem

CallInputs = Inputs | LayerInputs
CallProblem = Problem | LayerProblem
Lengths = tuple[int, ...]


class Sizes(TypedDict, total=False):
    """Sizes of a call. Without `key_heads` and `value_dim`, these are `heads` and `dim`; a layer has `heads * dim` columns."""

    batch: int
    heads: int
    queries: int
    keys: int
    dim: int
    key_heads: int
    value_dim: int


class Options(TypedDict, total=False):
    """Options of a call, as in its problem. One that depends on sizes is a function of the problem, moved into the domain."""

    mask: Mask | Callable[[CallProblem], Mask]
    bias: Bias | Callable[[CallProblem], Bias]
    is_causal: bool
    scale: float
    window: Window
    softcap: float
    sinks: float
    query_lengths: Lengths | Callable[[CallProblem], Lengths]
    key_lengths: Lengths | Callable[[CallProblem], Lengths]


class SizesAndOptions(Sizes, Options, total=False):
    """Sizes and options of a call."""


class Terms(SizesAndOptions, total=False):
    """A whole call: also its dtype, the recipe and number of its values, and the layouts of its arrays by name."""

    dtype: str
    recipe: str
    number: int
    layouts: Mapping[str, str]
