"""A property has an id and a check: a function (attend, x) -> Verdict whose name is the sentence that it checks.

`attend(x)` answers a call, the second time from memory; `attend.expected(x)` has the right answer and the bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol

import numpy as np

from attention_specs.choices import nearest
from attention_specs.contract import Description
from attention_specs.judge import Verdict
from attention_specs.registry import Registry
from attention_specs.spec import Inputs


class SideEffects(Protocol):
    """Names of the arrays that a call wrote to, and of those that its output shares memory with."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Written to."""

    @property
    def aliased(self) -> tuple[str, ...]:
        """Sharing memory with the output."""


class Attend(Protocol):
    """The implementation under test, as properties see it."""

    def __call__(self, x: Inputs) -> np.ndarray:
        """The output for these inputs."""

    def expected(self, x: Inputs) -> Any:
        """The right answer and the bounds, in the class of the spec: its properties read more than all specs share."""

    def extra(self, x: Inputs, name: str) -> np.ndarray:
        """The returned weights or log-sum-exp: name is "weights" or "lse"."""

    def out_beside(self, x: Inputs, name: str) -> np.ndarray:
        """The output that comes together with the returned weights or log-sum-exp."""

    def together(self, x: Inputs) -> Mapping[str, np.ndarray]:
        """The answers to one call that returns weights and log-sum-exp: "out", "weights" and "lse"."""

    def side_effects(self, x: Inputs) -> SideEffects:
        """The side effects of the call: inputs changed, output aliasing."""

    def declared(self, name: str) -> object:
        """A declared convention."""

    def accumulator(self, x: Inputs) -> str:
        """The format in which sums are kept, as declared."""

    def gradient(self, x: Inputs, dout: np.ndarray, wrt: Sequence[str]) -> Mapping[str, np.ndarray]:
        """The gradients of sum(dout * output) to the named arguments, and the output as "out". Another `dout` object, another call."""

    def expected_gradient(self, x: Inputs, dout: np.ndarray) -> Any:
        """The right gradients and their bounds, by name, in the class of the spec."""

    def beside(self, x: Inputs, other: Inputs) -> np.ndarray:
        """The output for x while another thread asks for that of `other`."""

    def refusal(self, x: Inputs) -> str:
        """The message of the refusal of these inputs, which are handed over as they are; "" if there is an answer."""

    def outside(self, x: Inputs) -> Iterable[tuple[str, tuple[np.ndarray, Any] | None]]:
        """The replies to calls outside of the declared domain: the condition that is broken, and the output with what is expected of
        it, or None for a refusal.
        """

    def otherwise(self, x: Inputs, kind: str) -> Iterable[tuple[str, np.ndarray]]:
        """The outputs of the same inputs handed over in other ways of this kind that the form knows, each with its name; those that
        are refused are left out.
        """

    def left_behind(self, x: Inputs) -> Iterable[tuple[str, np.ndarray, np.ndarray]]:
        """The arrays that a call of this form writes to: name, as the call leaves it, and as it should leave it."""

    def beyond_its_arrays(self, x: Inputs) -> str | None:
        """The array beyond which a call reads or writes, in words; "" for none, None where that cannot be seen."""

    def operator_complaint(self, x: Inputs) -> str:
        """The complaint of the framework's own check of an operator, on this call; "" for none."""

    def again(self, x: Inputs) -> np.ndarray:
        """The output of one more call with the same inputs, never from memory."""


Check = Callable[[Attend, Any], Verdict]
"""The inputs are those of the spec of the property, as in `needs`."""


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
    about: str = ""
    over_run: Callable[[Sequence[tuple[float, ...]]], Verdict] | None = None
    form: tuple[str, ...] = ()

    def is_about(self, there: Description) -> bool:
        """Whether it is about such implementations: they declare what it is `about`, and are called in its form."""
        return (not self.about or bool(getattr(there, self.about))) and (not self.form or there.form in self.form)

    @property
    def sentence(self) -> str:
        """The summary without the classes of bugs behind it."""
        return re.sub(r"\s*\([^()]*\bC\d\d[^()]*\)", "", self.summary)

    def takes_turns(self, edge_case: bool) -> bool:
        """Whether it is judged on a part of the cases. All edge cases count for gradients, although these need new oracles."""
        return self.every_other_case or (self.needs_new_oracle and not (edge_case and self.gradient))


PROPERTIES: Registry[Property] = Registry("property")


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
    about: str = "",
    over_run: Callable[[Sequence[tuple[float, ...]]], Verdict] | None = None,
    form: tuple[str, ...] = (),
) -> Callable[[Check], Check]:
    """Registers a check as the property of that id.

    `needs` says which inputs it can be judged on; `options` must be named by the implementation's own signature. Inputs other
    than the case's cost another oracle (`needs_new_oracle`), and a compilation where shapes are compiled. Further results of
    the same inputs cost only a compilation (`needs_recompile`). `every_other_case`: redundant in the audit (15 or more other
    properties catch what it catches), so it runs on every other case, as those of a new oracle do.
    `form` names the forms that it is about; () for all. A property of the `gradient` is for implementations that declare one, and
    one `about` the domain, the storage or the operator for those with such a field in their description. With `over_run` the check
    gathers `samples`, and the verdict is that on the samples of all cases of a dtype.
    """

    def register(check: Check) -> Check:
        if id in {known.id for known in PROPERTIES.values()}:
            raise ValueError(f"id={id}, but should be an id that is not taken")
        name, summary = check.__name__, (check.__doc__ or "").strip().splitlines()[0]
        registered = Property(
            name=name,
            id=id,
            spec=spec,
            summary=summary,
            check=check,
            needs=needs,
            options=options,
            needs_new_oracle=needs_new_oracle,
            every_other_case=every_other_case,
            gradient=gradient,
            needs_recompile=needs_recompile,
            about=about,
            over_run=over_run,
            form=form,
        )
        PROPERTIES.register(registered, name)
        return check

    return register


def properties_of(spec: str) -> list[Property]:
    """The properties of one spec, in the order of the document."""
    return [known for known in PROPERTIES.values() if known.spec == spec]


def matching(patterns: Iterable[str]) -> list[Property]:
    """The properties that these ids, names and patterns over either mean, each once. ValueError for one that means none."""
    return list(dict.fromkeys(property_ for pattern in patterns for property_ in _matching(pattern)))


def _matching(pattern: str) -> Iterator[Property]:
    meant = [known for known in PROPERTIES.values() if fnmatchcase(known.id, pattern) or fnmatchcase(known.name, pattern)]
    if not meant:
        raise ValueError(f"property={pattern[:60]}, but should be {likely(pattern)}")
    yield from meant


def likely(unknown: str) -> str:
    """The id or name that an unknown one stands for most likely, or what there is to choose from."""
    known = {word.lower(): word for one in PROPERTIES.values() for word in (one.id, one.name)}
    near = known.get(nearest(unknown, known))
    return near or "an id, a name or a pattern, such as P4 or 'M*': `attention-harness properties` lists them"
