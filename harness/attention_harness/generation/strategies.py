"""Hypothesis strategies over problems and cases. Structure is drawn here; NumPy fills the arrays from the seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from random import Random
from types import MappingProxyType
from typing import TypeVar

from hypothesis import strategies as st

from attention_harness.generation.numbers import ANY, any_of, number
from attention_harness.generation.sampling import Strategies, cycle
from attention_harness.generation.shapes import EMPTY, Shape
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import DRAWN
from attention_specs.biases import Bias
from attention_specs.case import Case
from attention_specs.formats import deck, is_narrow
from attention_specs.layouts import LAYOUTS
from attention_specs.masks import Mask

Thing = TypeVar("Thing")

SEEDS = st.integers(0, 2**32 - 1)
SUBSETS = ("".join(name for bit, name in enumerate("bhij") if subset >> bit & 1) for subset in range(16))
AXES = tuple(axes for axes in SUBSETS for _ in range(3 if "j" in axes else 1))
"""Every subset of the axes along which a random mask or bias varies: it is broadcast along the others. Those with keys among
them come more often: a term that is alike for all keys of a row often cancels."""


def sometimes(percent: int) -> st.SearchStrategy[bool]:
    """True in that share of draws; shrinks to False."""
    return st.integers(0, 99).map(lambda n: n >= 100 - percent)


@st.composite
def mask_terms(draw: st.DrawFn, shape: Shape, kinds: Sequence[str] = ()) -> Mask:
    """One mask, of any kind if none is named: a rule or a random pattern, with edges at block edges and at the ends."""
    return masks.mask.draws[draw(st.sampled_from(kinds or _names(OPTIONS["mask"])))](HypothesisDraws(draw, shape))


def _length(draw: st.DrawFn, n: int) -> int:
    """A length up to n: any, or at the edge of a block, counted from either end."""
    edges = [m for m in (0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, n - 1, n) if 0 <= m <= n]
    ends = [m for m in (n, n - 1, n - 2, n // 2 + 1, n - 15, n - 16, n - 17, n - 33) if 0 <= m <= n]
    return int(draw(st.one_of(st.sampled_from(edges), st.sampled_from(ends), st.integers(0, n))))


def _lengths(draw: st.DrawFn, batch: int, n: int) -> tuple[int, ...]:
    return tuple(_length(draw, n) for _ in range(batch))


@dataclass(frozen=True)
class HypothesisDraws:
    """The choices of a mask or a bias (`attention_specs.draws.Draws`), drawn by Hypothesis."""

    draw: st.DrawFn
    shape: Shape

    def seed(self) -> int:
        """Any seed of 32 bits."""
        return self.draw(SEEDS)

    def axes(self) -> str:
        """A subset of "bhij", with keys more often."""
        return self.draw(st.sampled_from(AXES))

    def position(self, length: int) -> int:
        """A position below `length`; 0 where there is none."""
        return self.draw(st.integers(0, max(length - 1, 0)))

    def length(self, most: int) -> int:
        """A length up to `most`."""
        return _length(self.draw, most)

    def lengths(self, most: int) -> tuple[int, ...]:
        """A length for each entry of the batch."""
        return _lengths(self.draw, self.shape.batch, most)

    def number(self, name: str, *special: float) -> float:
        """One of the special numbers in half of the draws, else any of the range of that name."""
        return number(self.draw, name, special)

    def one_of(self, *values: Thing) -> Thing:
        """One of these values."""
        return self.draw(st.sampled_from(values))

    def window(self) -> tuple[int | None, int | None]:
        """The sides of a window; None is an open one."""
        return _window(self.draw, self.shape, self.draw(st.sampled_from(_names(OPTIONS["window"]))))

    def mask(self) -> Mask:
        """A mask of any kind."""
        return self.draw(mask_terms(self.shape))


def _window(draw: st.DrawFn, s: Shape, bounded: str, is_causal: bool = False) -> tuple[int | None, int | None]:
    """Each bounded side narrow, at the edge of a block that is within the lengths, beyond all keys, or anything between.
    Beside causality, which leaves nothing to the right, the left is never open."""
    edges = [w for w in (15, 16, 17, 31, 32, 64, 65) if w < max(s.query_length, s.key_length)]
    special = st.sampled_from([0, 0, 1, 2, *edges, s.key_length])
    sides = st.one_of(special, special, st.integers(0, s.key_length))
    left = draw(sides) if bounded in ("left", "both") or is_causal else None
    return left, draw(sides) if bounded in ("right", "both") else None


@st.composite
def mask_choices(draw: st.DrawFn, shape: Shape, kinds: Sequence[str]) -> Mask:
    """A mask, or two that combine."""
    first = draw(mask_terms(shape, kinds))
    if not draw(sometimes(30)):
        return first
    second = draw(mask_terms(shape))
    return first & second if draw(sometimes(70)) else first | second


@st.composite
def bias_choices(draw: st.DrawFn, shape: Shape, kinds: Sequence[str], dtype: str = "float32") -> Bias:
    """A random bias at any broadcast shape, ALiBi, T5's, or a mask in additive form."""
    kinds = [kind for kind in kinds if not is_narrow(dtype) or not kind.startswith("lowest")] or ["filler"]
    bias = biases.bias.draws[draw(st.sampled_from(kinds))](HypothesisDraws(draw, shape))
    if draw(sometimes(25)):
        return biases.total(bias, biases.minus_infinity(draw(mask_terms(shape))))
    return bias


Choice = str | float
"""A value of an option, or the first choice about it."""

OPTIONS: dict[str, Sequence[Choice]] = {
    "mask": ("random", *masks.mask.draws),
    "bias": ("noise", "noise", "noise", "noise", *biases.bias.draws),
    "is_causal": (True,),
    "window": ("both", "both", "both", "left", "left", "right", "right", "right", "neither"),
    "scale": (1.0, 0.5, 0.0, -1.0, *(ANY,) * 4),
    "softcap": (30.0, 50.0, *(ANY,) * 4),
    "sinks": (0.0, 4.0, -4.0, *(ANY,) * 3),
    "query_lengths": ("any",),
    "key_lengths": ("any",),
    "past": ("any",),
}
"""Option -> its values, or the first choice about them: a kind, the sides that a window bounds."""


HAND = 6
"""Visits to a shape in which each option comes its number of times."""
TIMES = {
    "mask": 3, "bias": 2, "is_causal": 2, "window": 1, "scale": 1, "softcap": 1, "sinks": 1,
    "query_lengths": 1, "key_lengths": 1, "past": 1,
}  # fmt: skip


def dealt(rng: Random) -> Iterator[set[str]]:
    """Options of one visit to a shape after the other: of each six, every option has its share, so that no pair of a shape
    and an option is left to chance. Some visits have two hands, so that options meet."""
    decks = {name: cycle(rng, (True,) * times + (False,) * (HAND - times)) for name, times in TIMES.items()}
    while True:
        hand = {name for name, deck in decks.items() if next(deck)}
        yield hand | {name for name, deck in decks.items() if next(deck)} if rng.random() < SHARE_OF_TWO_HANDS else hand


SHARE_OF_TWO_HANDS = 0.1
SHARE_OF_MEETINGS = 0.2


def meetings(rng: Random) -> Iterator[set[str]]:
    """Four options for one case after the other, so that soon every three have met; and then again, in other fours.

    Without a cache: most functions are asked about it by one whole mask, and no other option would meet in these.
    """
    options = [name for name in TIMES if name != "past"]
    threes = {four: set(combinations(four, 3)) for four in combinations(options, 4)}
    while True:
        apart = set(combinations(options, 3))
        while apart:
            four = max(rng.sample(list(threes), len(threes)), key=lambda four: len(threes[four] & apart))
            apart -= threes[four]
            yield set(four)


def balanced(shapes: Sequence[Shape], dtypes: Collection[str]) -> Strategies:
    """Strategies that visit shapes, recipes, dtypes, layouts, options and their values evenly, for `sampling.draw`.

    Each visit to an empty shape has another size 0. Over several blocks, and sometimes elsewhere, every three options meet.
    """

    def strategies(rng: Random) -> Iterator[st.SearchStrategy[Case]]:
        empty, met, laid_out = cycle(rng, EMPTY), meetings(rng), layouts_dealt(rng, LAID_OUT)
        hands = {shape: dealt(rng) for shape in shapes}
        decks = {recipe: cycle(rng, deck()) for recipe in DRAWN}
        values = {name: cycle(rng, them) for name, them in OPTIONS.items()}
        for shape, recipe in zip(cycle(rng, shapes), cycle(rng, DRAWN), strict=False):
            possible = _affordable(shape, dtypes)
            dtype = next(name for name in decks[recipe] if name in possible)
            hand = met if shape.several_blocks or rng.random() < SHARE_OF_MEETINGS else hands[shape]
            options = {name: (next(values[name]),) for name in sorted(next(hand))}
            heads_last = dict.fromkeys("qkv", "heads_last") if rng.random() < SHARE_OF_HEADS_LAST else {}
            yield cases([next(empty) if shape in EMPTY else shape], [dtype], [recipe], options, next(laid_out) | heads_last)

    return strategies


@st.composite
def cases(
    draw: st.DrawFn, shapes: Sequence[Shape], dtypes: Collection[str], recipes: Sequence[str] = tuple(DRAWN),
    options: Mapping[str, Sequence[Choice]] = MappingProxyType(OPTIONS), layouts: Mapping[str, str] = MappingProxyType({}),
) -> Case:  # fmt: skip
    """A case over the pool: shape, dtype, values of these options, recipe, seed; arrays that are there lie as the layouts say."""
    shape = draw(st.sampled_from(shapes))
    dtype = draw(st.sampled_from(_affordable(shape, dtypes)))
    problem = Problem(**shape._asdict(), dtype=dtype).replace(**_options(draw, shape, dtype, options))
    there = {name: layout for name, layout in layouts.items() if name in "qkv" or getattr(problem, name) is not None}
    return Case(problem, draw(st.sampled_from(recipes)), draw(SEEDS), there)


LAID_OUT = {"q": 0.25, "k": 0.25, "v": 0.25, "mask": 0.5, "bias": 0.5}
"""Argument -> in which share of the cases it lies otherwise than contiguously."""
SHARE_OF_HEADS_LAST = 0.1
"""How often q, k and v are all stored as [B, L, H, D], as most models have them."""


def layouts_dealt(rng: Random, shares: Mapping[str, float]) -> Iterator[dict[str, str]]:
    """Layouts of one case after the other: each argument lies otherwise in its share of them, in every way in turn."""
    decks = {name: cycle(rng, layouts_of(name)) for name in shares}
    while True:
        yield {name: next(deck) for name, deck in decks.items() if rng.random() < shares[name]}


def layouts_of(name: str) -> list[str]:
    """Layouts of q, k and v keep four axes; masks and biases have fewer in a third of the draws."""
    shares = {"fewer_axes": 5 if name in ("mask", "bias") else 0}
    return [layout for layout in LAYOUTS for _ in range(shares.get(layout, 1))]


EXTENDED_BUDGET = 2_000_000
"""Products that extended precision, which has no fast matrix product, does in about 20 ms."""


def _affordable(shape: Shape, dtypes: Collection[str]) -> list[str]:
    """Those of the dtypes whose oracle is quick at this shape; all if none is."""
    quick = shape.cells * (shape.head_dim + shape.value_dim) <= EXTENDED_BUDGET
    return [name for name in dtypes if quick or name != "float64"] or list(dtypes)


def _options(draw: st.DrawFn, shape: Shape, dtype: str, wanted: Mapping[str, Sequence[Choice]]) -> dict[str, object]:
    """Values for the wanted options. Causality over many more keys than queries comes with a cache, or it would leave few to see;
    lengths of queries come with those of keys in half of the draws, as in padded batches."""
    if "query_lengths" in wanted and draw(sometimes(50)):
        wanted = {**wanted, "key_lengths": OPTIONS["key_lengths"]}
    if "is_causal" in wanted and shape.key_length > 2 * shape.query_length and draw(sometimes(60)):
        wanted = {**wanted, "past": OPTIONS["past"]}
    values: dict[str, Callable[[Sequence[Choice]], object]] = {
        "mask": lambda kinds: draw(mask_choices(shape, _names(kinds))),
        "bias": lambda kinds: draw(bias_choices(shape, _names(kinds), dtype)),
        "window": lambda sides: _window(draw, shape, draw(st.sampled_from(_names(sides))), "is_causal" in wanted),
        "query_lengths": lambda _: _lengths(draw, shape.batch, shape.query_length),
        "key_lengths": lambda _: _lengths(draw, shape.batch, shape.key_length),
        "past": lambda _: _past(draw, shape),
        **{name: partial(_number, draw, name) for name in ("scale", "softcap", "sinks")},
    }
    names = [name for name in OPTIONS if name in wanted]
    return {name: values[name](wanted[name]) if name in values else draw(st.sampled_from(wanted[name])) for name in names}


def _names(choices: Sequence[Choice]) -> list[str]:
    return [choice for choice in choices if isinstance(choice, str)]


def _number(draw: st.DrawFn, name: str, chosen: Sequence[Choice]) -> float:
    return any_of(draw, name, draw(st.sampled_from(chosen)))


def _past(draw: st.DrawFn, s: Shape) -> int:
    """Keys of a cache: all but those of the queries, as in decoding and in prefill by chunks, or any number."""
    behind = max(s.key_length - s.query_length, 0) or _length(draw, s.key_length)
    return draw(st.sampled_from((behind, _length(draw, s.key_length))))
