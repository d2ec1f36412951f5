"""A claim is a property with a number: a function (attend, x) -> Verdict whose name is the sentence that it checks.

`attend(x)` answers a call and costs nothing the second time; `attend.expected(x)` has the right answer and the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from attention_specs.judge import Verdict


class Attend(Protocol):
    """The implementation under test, as properties see it."""

    def __call__(self, x: Any) -> np.ndarray:
        """The output for these inputs."""

    def expected(self, x: Any) -> Any:
        """The right answer and the bounds."""

    def extra(self, x: Any, name: str) -> np.ndarray:
        """The returned weights or log-sum-exp: name is "weights" or "lse"."""

    def out_beside(self, x: Any, name: str) -> np.ndarray:
        """The output that comes together with the returned weights or log-sum-exp."""

    def together(self, x: Any) -> Mapping[str, np.ndarray]:
        """What comes where weights and log-sum-exp are asked for at once: "out", "weights" and "lse"."""

    def facts(self, x: Any) -> Any:
        """What the worker saw while answering: inputs changed, output aliasing."""

    def declared(self, name: str) -> Any:
        """A declared convention."""

    def accumulator(self, x: Any) -> str:
        """The format in which sums are kept, as declared."""

    def gradient(self, x: Any, dout: np.ndarray, wrt: Sequence[str]) -> Mapping[str, np.ndarray]:
        """The gradients of sum(dout * output) to the named arguments, and the output as "out". Another `dout` object, another call."""

    def expected_gradient(self, x: Any, dout: np.ndarray) -> Any:
        """The right gradients and their bounds, by name."""

    def beside(self, x: Any, other: Any) -> np.ndarray:
        """The output for x while another thread asks for that of `other`."""

    def refusal(self, x: Any) -> str:
        """What is said instead of an answer to these inputs, which are handed over as they are; nothing if there is an answer."""

    def again(self, x: Any) -> np.ndarray:
        """The output of one more call with the same inputs, not a remembered one."""


Check = Callable[[Attend, Any], Verdict]


@dataclass(frozen=True)
class Claim:
    """A property: its name reads as the claim, `clause` is its number in attention.md."""

    name: str
    clause: str
    spec: str
    summary: str
    check: Check
    needs: Callable[[Any], bool]
    options: tuple[str, ...]
    cold: bool
    alternate: bool = False
    gradient: bool = False
    compiles: bool = False
    over_run: Callable[[Sequence[Any]], Verdict] | None = None

    def takes_turns(self, corner: bool) -> bool:
        """Whether it is judged on a part of the cases. In corners no claim about gradients, all of which are cold, is left out."""
        return self.alternate or (self.cold and not (corner and self.gradient))


CLAIMS: dict[str, Claim] = {}


def claim(
    clause: str,
    *,
    needs: Callable[[Any], bool] = lambda x: True,
    options: tuple[str, ...] = (),
    cold: bool = False,
    alternate: bool = False,
    spec: str = "attention",
    gradient: bool = False,
    compiles: bool = False,
    over_run: Callable[[Sequence[Any]], Verdict] | None = None,
) -> Callable[[Check], Check]:
    """Registers a check as the claim of that clause.

    `needs` says which inputs it can be judged on; `options` must be named by the implementation's own signature; `cold`
    claims ask with other inputs than the case has, which costs another oracle, and a compilation where shapes are compiled;
    an `alternate` one has never been the first to reject a fault that fewer than fifteen others reject, and is judged on every
    second case, as cold ones are;
    one that `compiles` asks for further results of the same inputs, which costs only the latter; a claim about the
    `gradient` is for implementations that declare one. With `over_run` the check gathers `samples`, and the verdict is what
    that makes of the samples of all cases of a dtype.
    """

    def register(check: Check) -> Check:
        name, summary = check.__name__, (check.__doc__ or "").strip().splitlines()[0]
        if name in CLAIMS or clause in {c.clause for c in CLAIMS.values()}:
            raise ValueError(f"claim={name} ({clause}), but should be a name and a clause that are not taken")
        CLAIMS[name] = Claim(name, clause, spec, summary, check, needs, options, cold, alternate, gradient, compiles, over_run)
        return check

    return register


def claims_of(spec: str) -> list[Claim]:
    """The claims of one spec, in the order of the document."""
    return [c for c in CLAIMS.values() if c.spec == spec]
