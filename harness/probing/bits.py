"""What is asked of the bits: the same again, alone and in a batch, beside another thread; nothing from NaN that is masked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.probing.experiments import Found, experiment
from harness.probing.lab import Lab
from specs import masks, multi_head_transform, transform
from specs.judge import identical

REPEATS, MEETINGS = 12, 4
SHAPES: tuple[dict[str, int], ...] = (
    {"queries": 6, "keys": 6}, {"queries": 40, "keys": 40, "dim": 32}, {"queries": 1, "keys": 33, "dim": 64},
    {"queries": 130, "keys": 130, "heads": 4}, {"queries": 7, "keys": 70, "dim": 8},
)  # fmt: skip
BATCHES = (1, 2, 3, 7)


def _calls(lab: Lab, **more: Any) -> Iterator[Any]:
    """A call of each shape in each dtype."""
    for number, shape in enumerate(SHAPES):
        yield from (lab.x(dtype=dtype, number=number, **shape | more) for dtype in lab.dtypes)


def _other(lab: Lab, x: Any) -> Any:
    """A call of the same shapes with other numbers."""
    return x.replace(w_q=-x.w_q, w_v=-x.w_v) if lab.layer else x.replace(q=-x.q, v=x.v[..., ::-1].copy())


def _all_the_same(tried: int, what: str, wrong: list[str]) -> str:
    return f"{what}: {f'{len(wrong)} of {tried} differ, first {wrong[0]}' if wrong else f'the same bits in all of {tried}'}"


def _shown(x: Any) -> str:
    return f"{x.dtype} {'x'.join(map(str, x.score_shape))}"


@experiment(layers=True)
def deterministic(lab: Lab) -> Found:
    """The same call many times, with other calls in between."""
    wrong, tried = [], 0
    for x, out in lab.answers(_calls(lab)):
        tried += 1
        told, other = lab.told(x), lab.told(_other(lab, x))
        for turn in range(REPEATS):
            if turn % 3 == 2:
                lab.subject.again(other)
            if not identical(lab.back(lab.subject.again(told)), out).holds:
                wrong.append(_shown(x))
                break
    lab.varies = bool(wrong)
    return Found("deterministic", not wrong, _all_the_same(tried, f"{REPEATS} times the same call, others in between", wrong))


@experiment(layers=True)
def batch_invariant(lab: Lab) -> Found:
    """Each entry alone and in batches, at several shapes and in each dtype."""
    if lab.varies:
        return Found("batch_invariant", False, "not even the same call twice gives the same bits")
    take: Any = multi_head_transform.take_batch if lab.layer else transform.take_batch
    wrong, tried = [], 0
    for x, out in lab.answers(_calls(lab, batch=max(BATCHES))):
        for size in BATCHES[:-1]:
            tried += 1
            index = np.arange(size) + 1
            if not identical(lab(take(x, index)), out[index]).holds:
                wrong.append(f"{_shown(x)} in a batch of {size}")
    return Found(
        "batch_invariant", not wrong, _all_the_same(tried, f"entries in batches of {max(BATCHES)} and of 1, 2, 3", wrong)
    )


@experiment(layers=True)
def thread_safe(lab: Lab) -> Found:
    """A call while another thread makes one of the same shapes with other numbers."""
    if lab.varies:
        return Found("thread_safe", None, "its answers vary in one thread")
    wrong, tried = [], 0
    for x, out in lab.answers(_calls(lab)):
        for _ in range(MEETINGS):
            tried += 1
            got = lab.back(lab.subject.beside(lab.told(x), lab.told(_other(lab, x))))
            if not identical(got, out).holds:
                wrong.append(_shown(x))
                break
    return Found("thread_safe", not wrong, _all_the_same(tried, "calls beside another thread", wrong))


@experiment()
def masked_nan_safe(lab: Lab) -> Found:
    """NaN in keys, then in values, that nobody may see, by each way of hiding them."""
    spread = {name: [how for how, x in _hiding(lab) if _spreads(lab, x, name)] for name in ("keys", "values")}
    ways = ", ".join(how for how, _ in _hiding(lab))
    if not ways:
        return Found("masked_nan_safe", None, "its signature has nothing that hides a key")
    told = [
        f"in {name} spreads, hidden by {', '.join(hows)}" if hows else f"in {name} stays there" for name, hows in spread.items()
    ]
    return Found("masked_nan_safe", not any(spread.values()), f"NaN {'; '.join(told)} (tried: {ways})")


def _hiding(lab: Lab) -> Iterator[tuple[str, Any]]:
    """The first or the last keys hidden from all, once in few keys and once in many."""
    for keys in (6, 130):
        masked = lab.x(queries=5, keys=keys, mask=masks.block(2, keys - 1))
        if lab.takes("mask"):
            yield f"mask of {keys}", masked
        if lab.takes("bias"):
            yield f"bias of {keys}", masked.replace(mask=None, bias=np.where(masked.mask, 0, -np.inf).astype(masked.q.dtype))
        if lab.takes("key_lengths"):
            yield f"key_lengths of {keys}", lab.x(queries=5, keys=keys, key_lengths=(3, keys - 1))
        if lab.takes("is_causal") and not lab.bottom_right:
            yield f"is_causal of {keys}", lab.x(queries=5, keys=keys, is_causal=True)


def _spreads(lab: Lab, x: Any, name: str) -> bool:
    hidden = ~x.visible().any(axis=(1, 2))[:, None, :, None]
    dirty = {a: np.where(hidden, np.nan, getattr(x, a)).astype(x.q.dtype) for a in name[0]}
    out = lab(x.replace(**dirty))
    return not (np.isfinite(out).all() if lab.varies else identical(out, lab(x)).holds)


@experiment()
def checks_shapes(lab: Lab) -> Found:
    """Sizes that do not fit together: refused, or answered with something."""
    x = lab.x(heads=4)
    wrong = {
        "v shorter than k": x.replace(v=x.v[:, :, :-1]), "k shorter than v": x.replace(k=x.k[:, :, :-1]),
        "D of k smaller": x.replace(k=x.k[..., :-1]), "3 key heads for 4": x.replace(k=x.k[:, :3], v=x.v[:, :3]),
        "5 key heads for 4": x.replace(k=x.k[:, [0, 1, 2, 3, 3]], v=x.v[:, [0, 1, 2, 3, 3]]),
        "3 batch entries for 2": x.replace(k=x.k[[0, 1, 1]], v=x.v[[0, 1, 1]]),
    }  # fmt: skip
    if lab.takes("mask"):
        wrong["a larger mask"] = x.replace(mask=np.ones((1, 1, 7, 7), bool))
    answered = [name for name, y in wrong.items() if not lab.subject.refusal(lab.told(y))]
    return Found(
        "checks_shapes",
        not answered,
        f"of {', '.join(wrong)}: {'answered ' + ', '.join(answered) if answered else 'all refused'}",
    )
