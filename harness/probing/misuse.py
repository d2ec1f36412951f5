"""What is made of calls that hold something bad: NaN where nobody may look, and sizes that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.probing.experiments import Found, experiment
from harness.probing.lab import Lab
from specs import masks
from specs.judge import identical


@experiment()
def masked_nan_safe(lab: Lab) -> Found:
    """NaN in keys, then in values, that nobody may see, by each way of hiding them."""
    ways = list(dict.fromkeys(how for how, _ in _hiding(lab)))
    if not ways:
        return Found("masked_nan_safe", None, "its signature has nothing that hides a key")
    spread = {name: {how for how, x in _hiding(lab) if _spreads(lab, x, name)} for name in ("keys", "values")}
    told = [f"NaN in {name} {_where(hows, ways)}" for name, hows in spread.items()]
    return Found("masked_nan_safe", not any(spread.values()), f"hidden by {', '.join(ways)}: {'; '.join(told)}")


def _where(hows: set[str], ways: list[str]) -> str:
    if not hows:
        return "stays there"
    return "spreads" if hows == set(ways) else f"spreads by {', '.join(how for how in ways if how in hows)}"


def _hiding(lab: Lab) -> Iterator[tuple[str, Any]]:
    """The first or the last keys hidden from all, once in few keys and once in many."""
    for keys in (6, 130):
        masked = lab.x(queries=5, keys=keys, mask=masks.block(2, keys - 1))
        if lab.takes("mask"):
            yield "mask", masked
        if lab.takes("bias"):
            yield "bias", masked.replace(mask=None, bias=np.where(masked.mask, 0, -np.inf).astype(masked.q.dtype))
        if lab.takes("key_lengths"):
            yield "key_lengths", lab.x(queries=5, keys=keys, key_lengths=(3, keys - 1))
        if lab.takes("is_causal") and not lab.bottom_right:
            yield "is_causal", lab.x(queries=5, keys=keys, is_causal=True)


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
    told = f"answered: {', '.join(answered)}" if answered else "all refused"
    return Found("checks_shapes", not answered, f"{len(wrong)} calls of sizes that do not fit: {told}")
