"""The parameters of a function: arrays, options under their names or others', and those that keep their defaults."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from attention_harness.registry.declarations import POSITIONAL
from attention_harness.registry.declarations import RETURNED as ALWAYS
from attention_harness.registry.well_known import SWITCHES, WELL_KNOWN, WITHOUT_MEANING
from attention_specs.choices import nearest, one_of
from attention_specs.contract import FUSED, RETURNED, SCALES
from attention_specs.forms import FORMS
from attention_specs.forms.flat import Flat
from attention_specs.forms.padded import Padded
from attention_specs.multi_head import domain as domains

Parameter = inspect.Parameter
VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Parameters:
    """The parameters of a function under a spec. ValueError or TypeError for those that nobody could give."""

    function: Callable[..., object]
    spec: str = "attention"

    @cached_property
    def signature(self) -> inspect.Signature:
        """As Python knows it."""
        return inspect.signature(self.function)

    @cached_property
    def form(self) -> type[Padded]:
        """The form of its calls, as declared."""
        return FORMS[one_of("form", getattr(self.function, "form", "padded"), FORMS)]

    @property
    def known(self) -> tuple[str, ...]:
        """The options and the metadata that the form can say."""
        return (*self.form.options, *self.form.metadata)

    @cached_property
    def names(self) -> dict[str, str]:
        """Option -> the parameter that stands for it, as declared or as it is well known."""
        declared: Mapping[str, str] = getattr(self.function, "names", {})
        return {**{one_of("names", option, self.known): name for option, name in declared.items()}, **self.taken}

    @cached_property
    def taken(self) -> dict[str, str]:
        """Option -> the parameter that is taken for it without a declaration, since libraries call it so."""
        parameters, declared = self.signature.parameters, getattr(self.function, "names", {})
        others = {*declared.values(), *getattr(self.function, "ignored", ())}
        taken = {}
        for option, names in WELL_KNOWN.items():
            if option not in self.known:
                continue
            there = [name for name in names if name in parameters and name not in others]
            if len(there) == 1 and option not in (*parameters, *declared) and not self._is_one_number(option, there[0]):
                taken[option] = there[0]
        return taken

    def _is_one_number(self, option: str, name: str) -> bool:
        """Whether it is a window of one side, of which libraries count differently."""
        return option == "window" and isinstance(self._default(name), int)

    @cached_property
    def ignored(self) -> tuple[str, ...]:
        """Parameters that keep their defaults, as declared, or since they change nothing there."""
        without_meaning = [name for name in WITHOUT_MEANING if name in self.signature.parameters]
        return tuple(dict.fromkeys((*getattr(self.function, "ignored", ()), *without_meaning)))

    @cached_property
    def switches(self) -> tuple[str, ...]:
        """Parameters that are always true: only then does the function take every problem of the contract."""
        return tuple(name for name in SWITCHES if name in self.signature.parameters and name not in self.ignored)

    @cached_property
    def positional(self) -> tuple[str, ...]:
        """The arrays and options that are passed by position, as declared or as the names of fused ones say; () for q, k, v."""
        declared = tuple(getattr(self.function, "positional", ())) or self.fused
        if not declared:
            return ()
        if self.spec != "attention":
            given = POSITIONAL.get(self.spec, 3)
            raise ValueError(f"positional={', '.join(declared)}, but should be left out of a {self.spec}: it gets {given} arrays")
        arrays, fused = self.form.arrays, {name: FUSED[name] for name in self.form.alike}
        order = tuple(one_of("positional", name, (*arrays, *fused, *self.known)) for name in declared)
        apart = [name for one in order for name in fused.get(one, (one,))]
        if not set(arrays) <= set(apart) or len(set(apart)) < len(apart):
            wanted = f"{', '.join(arrays[:-1])} and {arrays[-1]}" + ", or qkv, or q and kv" * bool(fused)
            raise ValueError(f"positional={', '.join(order)}, but should have {wanted}, and each name once")
        return order

    @cached_property
    def fused(self) -> tuple[str, ...]:
        """The first parameters, where their names say that they hold several arrays: `(qkv)` or `(q, kv)`."""
        names = tuple(self.signature.parameters) if self.spec == "attention" and self.form.alike else ()
        return next((first for first in (("qkv",), ("q", "kv")) if names[: len(first)] == first), ())

    @cached_property
    def returns(self) -> tuple[str, ...]:
        """The parts of the tuple that always comes back, as declared."""
        declared = tuple(getattr(self.function, "returns", ALWAYS.get(self.spec, ())))
        if declared and declared.count("out") != 1:
            raise ValueError(f"returns={', '.join(declared)}, but should have out once, and lse or weights where they are")
        return declared

    @cached_property
    def domain(self) -> tuple[str, ...]:
        """Conditions on problems, as declared, and that of a layout without a batch."""
        declared = tuple(getattr(self.function, "domain", ()))
        if declared and self.spec == "merge":
            raise ValueError(f"domain={', '.join(declared)}, but should be left out of {self.spec}")
        padded = self.form is Padded
        batch = ("batch == 1",) if padded and "b" not in getattr(self.function, "layout", "bhld") else ()
        pairs = ("head_dim % 2 == 0",) if getattr(self.function, "rotary", {}) else ()
        fused = [condition for name in self.positional for condition in self.form.alike.get(name, ())]
        conditions = tuple(dict.fromkeys((*declared, *batch, *fused, *self._one_kind, *pairs)))
        return tuple(one.text for one in domains.declared(self.spec, conditions).conditions)

    @property
    def _one_kind(self) -> tuple[str, ...]:
        """The condition on the heads of a function that is told the number of its query heads alone."""
        alone = self.form is Flat and "key_heads" not in self.metadata and "key_heads" not in self._fixed_sizes
        return ("key_heads == query_heads",) if alone else ()

    @property
    def _fixed_sizes(self) -> set[str]:
        """Sizes that have one value in the declared domain."""
        conditions = domains.declared(self.spec, tuple(getattr(self.function, "domain", ()))).conditions
        return {name for one in conditions if one.relation == "==" and isinstance(one.value, int) for name in one.fields}

    @cached_property
    def implied(self) -> tuple[str, ...]:
        """Options that the domain fixes and that have no parameter; a layer has no options but a mask."""
        if self.spec != "attention":
            return ()
        fixed = [name for one in domains.declared(self.spec, self.domain).conditions if one.constant for name in one.fields]
        return tuple(name for name in fixed if self.names.get(name, name) not in self.signature.parameters)

    @cached_property
    def by_position(self) -> dict[str, str]:
        """Parameter -> the array or option that it gets by position. TypeError where they cannot be passed so."""
        wanted = self.positional or (*self.form.arrays, *(f"array {n}" for n in range(3, POSITIONAL.get(self.spec, 3))))
        bound = self._bound(*wanted).arguments
        names = [name for name in bound if self.signature.parameters[name].kind not in VARIADIC]
        return dict(zip(names, wanted, strict=False))

    def _bound(self, *positional: str, **keywords: object) -> inspect.BoundArguments:
        try:
            return self.signature.bind_partial(*positional, **keywords)
        except TypeError as error:
            raise self.unfitting(str(error)) from error

    def unfitting(self, why: str) -> TypeError:
        """The error for a signature that cannot be called."""
        needed, (first, second, third) = POSITIONAL.get(self.spec, 3), self.form.arrays
        words = f"{first}, {second} and {third}"
        wanted = f"three arrays, {words}" if needed == 3 else f"{needed} arrays{' and heads' * bool(self._heads)}"
        wanted = ", ".join(self.positional) or wanted
        call = f"{getattr(self.function, '__name__', 'function')}{self.signature}"
        return TypeError(f"signature={call}, but should take {wanted}: {why}")

    @property
    def _heads(self) -> tuple[str, ...]:
        return ("heads",) if self.spec == "multi-head" else ()

    @cached_property
    def beyond(self) -> list[str]:
        """Parameters that are not passed by position."""
        heads = self._heads
        self._bound(*(self.positional or [""] * POSITIONAL.get(self.spec, 3)), **dict.fromkeys(heads))
        parameters = self.signature.parameters
        return [name for name in parameters if name not in (*self.by_position, *heads) and parameters[name].kind not in VARIADIC]

    @cached_property
    def options(self) -> tuple[str, ...]:
        """Options of the contract that the function takes, by its signature or as declared."""
        declared: Sequence[str] | None = getattr(self.function, "options", None)
        self._require_declared(declared or ())
        self._refuse_unknown([name for name in self.beyond if name not in {*self._by_parameter, *self.ignored, *self.switches}])
        if declared is not None:
            of_the_call = tuple(one_of("options", option, self.known) for option in declared)
            return (*(option for option in of_the_call if option not in self.form.metadata), *self.form.implied(self.metadata))
        returned = [f"return_{part}" for part in self.returns if part in RETURNED]
        taken = {*self.positional, *self.implied, *returned, *(self._by_parameter.get(name) for name in self.beyond)}
        self._refuse_required()
        return (*(option for option in self.form.options if option in taken), *self.form.implied(self.metadata))

    @cached_property
    def _by_parameter(self) -> dict[str, str]:
        """Parameter -> the option or the metadata that it stands for."""
        named = {self.names.get(option, option): option for option in self.known}
        return {parameter: option for parameter, option in named.items() if parameter not in self.ignored}

    @cached_property
    def metadata(self) -> tuple[str, ...]:
        """Parameters of the form that the function takes. ValueError where some are missing."""
        declared = getattr(self.function, "options", None) or ()
        taken = {*self.positional, *declared, *(self._by_parameter.get(name) for name in self.beyond)}
        named = tuple(name for name in self.form.metadata if name in taken)
        kinds = [parameter.kind for parameter in self.signature.parameters.values()]
        named = named or (self.form.usual if Parameter.VAR_KEYWORD in kinds else ())
        for some in self.form.needed:
            if not set(some) & {*named, *self._fixed_sizes}:
                raise self.unfitting(f"form={self.form.name} needs {' or '.join(some)}, or its name in attention.names")
        return named

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """Options that every call has to pass: those without a default."""
        by_option = {option: self._default(self.names.get(option, option)) for option in self.options}
        by_option |= dict.fromkeys(self.form.implied(self.metadata))
        by_place = {option: self._default(name) for name, option in self.by_position.items()}
        defaults = by_option | by_place | {name: Parameter.empty for name in self.positional if name not in by_place}
        return tuple(
            option for option in self.form.options if defaults.get(option) is Parameter.empty and self._is_passed(option)
        )

    def _is_passed(self, option: str) -> bool:
        named = self.signature.parameters.get(self.names.get(option, option))
        return option in self.positional or (named is not None and named.kind not in VARIADIC)

    def _default(self, name: str) -> object:
        parameter = self.signature.parameters.get(name)
        return parameter.default if parameter else None

    @cached_property
    def open_side(self) -> int | None:
        """The number for an open side of a window, by the default of its parameter: -1 in (-1, -1)."""
        default = self._default(self.names.get("window", "window"))
        sides = default if isinstance(default, tuple | list) else ()
        return next((side for side in sides if isinstance(side, int) and side < 0), None)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was taken without a declaration."""
        taken = ", ".join(f"{name} as {option}" for option, name in self.taken.items())
        kept = [name for name in self.ignored if name not in getattr(self.function, "ignored", ())]
        sentences = [f"taken by their names: {taken}"] if taken else []
        if self.fused and not getattr(self.function, "positional", ()):
            sentences.append(f"{self.fused[-1]} taken as {' and '.join(FUSED[self.fused[-1]])} {self.form.fused_place}")
        sentences += [f"asked with {condition}: it takes no key_heads" for condition in self._one_kind]
        sentences += [f"always true: {', '.join(self.switches)}"] if self.switches else []
        return (*sentences, *([f"left at their defaults: {', '.join(kept)}"] if kept else []))

    def _require_declared(self, options: Sequence[str]) -> None:
        parameters = self.signature.parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return
        wanted = [self.names.get(option, option) for option in options if option not in self.positional]
        gone = [name for name in (*self.names.values(), *self.ignored, *wanted) if name not in parameters]
        if gone:
            raise ValueError(f"declared={', '.join(gone)}, but should be among the parameters: {', '.join(parameters)}")

    def _refuse_required(self) -> None:
        """TypeError for a parameter that nobody gives a value."""
        required = [name for name in self.ignored if self._default(name) is Parameter.empty]
        if required:
            raise self.unfitting(f"missing a required argument: '{required[0]}', but should have a default")
        free = [name for name in self.beyond if name not in {*self.ignored, *self.switches}]
        nameless = [name for name in free if self.signature.parameters[name].kind is Parameter.POSITIONAL_ONLY]
        if nameless:
            order = ", ".join(f'"{name}"' for name in (*(self.positional or self.form.arrays), *nameless))
            raise self.unfitting(f"{nameless[0]} has no name for a call, declare attention.positional = ({order})")

    def _refuse_unknown(self, parameters: list[str]) -> None:
        """ValueError with the declaration to paste: no parameter is left out in silence."""
        if not parameters:
            return
        meant: dict[str, str] = {}
        stored, plain = getattr(self.function, "storage", None), [name for name in self.known if name not in SCALES]
        for parameter in parameters:
            meant.setdefault(nearest(parameter, self.known if stored else plain), parameter)
        names = {option: parameter for option, parameter in meant.items() if option}
        ignored = [parameter for parameter in parameters if parameter not in names.values()]
        declarations = [f"attention.names = {json.dumps(names)}"] if names else []
        declarations += [f"attention.ignored = ({', '.join(map(json.dumps, ignored))},)"] if ignored else []
        raise ValueError(
            f"parameter={', '.join(parameters)}, but should be {', '.join(names) or 'an option of the contract'}: "
            f"rename or declare it, {' and '.join(declarations)}"
        )
