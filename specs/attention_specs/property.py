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

    def side_effects(self, x: Any) -> Any:
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
class Property:
    """Its name reads as a sentence, `id` is its number in attention.md."""

    name: str
    id: str
    spec: str
    summary: str
    check: Check
    needs: Callable[[Any], bool]
    options: tuple[str, ...]
    needs_new_oracle: bool
    every_other_case: bool = False
    gradient: bool = False
    needs_recompile: bool = False
    over_run: Callable[[Sequence[Any]], Verdict] | None = None

    def takes_turns(self, edge_case: bool) -> bool:
        """Whether it is judged on a part of the cases. In corners no claim about gradients, all of which are cold, is left out."""
        return self.every_other_case or (self.needs_new_oracle and not (edge_case and self.gradient))


PROPERTIES: dict[str, Property] = {}


def property_(
    id: str,
    *,
    needs: Callable[[Any], bool] = lambda x: True,
    options: tuple[str, ...] = (),
    needs_new_oracle: bool = False,
    every_other_case: bool = False,
    spec: str = "attention",
    gradient: bool = False,
    needs_recompile: bool = False,
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
        if name in PROPERTIES or id in {c.id for c in PROPERTIES.values()}:
            raise ValueError(f"property={name} ({id}), but should be a name and an id that are not taken")
        PROPERTIES[name] = Property(
            name,
            id,
            spec,
            summary,
            check,
            needs,
            options,
            needs_new_oracle,
            every_other_case,
            gradient,
            needs_recompile,
            over_run,
        )
        return check

    return register


def properties_of(spec: str) -> list[Property]:
    """The claims of one spec, in the order of the document."""
    return [c for c in PROPERTIES.values() if c.spec == spec]
