"""A module as a function `multi_head` of the contract, with declarations and sentences about what was taken."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict

from attention_harness import frameworks
from attention_harness.registry.declarations import KINDS, NOTES, PROGRAM, TAKEN
from attention_harness.registry.modules.experiments import Experiment, Understanding
from attention_harness.registry.modules.kinds import class_of, kind_of, verbs_of
from attention_harness.registry.modules.layer import Layer
from attention_harness.registry.modules.sizes import NO_DROPOUT, constructor_arguments
from attention_harness.registry.modules.weight_names import lacks
from attention_specs.choices import one_of
from attention_specs.contract import ATTRIBUTES
from attention_specs.formats import DTYPES
from attention_specs.multi_head.inputs import ARRAYS
from attention_specs.multi_head.rotary import Rotary

MEANINGS = ("visible", "hidden", "added")
"""Meanings of True in a mask; `added` is a mask of 0 and -inf."""

DATA = str, bool, tuple, list, dict, set, frozenset
"""Types of declarations on a class: a module may have methods and parts of such names."""

CAUSAL = "is_causal == True"

Function = Callable[..., object]


def is_layer(thing: object) -> bool:
    """Whether it is a module with parameters, or a class of such: one without is a function of arrays."""
    kind = kind_of(thing)
    module = without_parameters(thing)
    return bool(kind) and (isinstance(module, type) or bool(verbs_of(kind).parameters(module)))


def without_parameters(thing: object) -> object:
    """An instance of a class of modules that needs no sizes and has no parameters; anything else as it is."""
    if not (isinstance(thing, type) and (kind := kind_of(thing))):
        return thing
    verbs = verbs_of(kind)
    known = {name: make() for name, make in verbs.own_arguments().items()} | dict.fromkeys(NO_DROPOUT, 0.0)
    try:
        module = thing(**constructor_arguments(thing, known))
    except Exception:  # foreign code, which needs more
        return thing
    return thing if verbs.parameters(module) else module


def as_layer(thing: object, declared: Mapping[str, object]) -> Function:
    """The function. ValueError where its parameters or its call cannot be understood."""
    own = {name: value for name, value in vars(class_of(thing)).items() if name in ATTRIBUTES and isinstance(value, DATA)}
    attributes = {**own, **declared}
    verbs = verbs_of(kind_of(thing))
    means = one_of("mask_means", attributes.pop("mask_means", verbs.mask_means(class_of(thing))), MEANINGS)
    weights = {role: str(name) for role, name in _mapping("weights", attributes.pop("weights", {})).items()}
    ignored = _texts(attributes.pop("ignored", ()))
    conditions = _texts(attributes.pop("domain", ()))
    rotary = Rotary.declared(attributes.get("rotary", {}))
    layer = Layer(verbs, thing, weights, ignored, means == "hidden", str(attributes.get("device", "cpu")))
    understood = Experiment(layer, CAUSAL in conditions, means == "added", rotary).understanding()
    function = _function(understood.layer)
    if understood.empty_rows not in (None, "zeros"):
        attributes["conventions"] = {
            "empty_rows": understood.empty_rows,
            **_mapping("conventions", attributes.get("conventions", {})),
        }
    taken: dict[str, object] = {"framework": verbs.FRAMEWORK} if "framework" not in attributes else {}
    domain = tuple(dict.fromkeys((*conditions, *_domain(understood.layer))))
    taken |= {"domain": domain} if domain != conditions else {}
    if understood.layer.reading.rotary and rotary is None:
        taken["rotary"] = asdict(understood.layer.reading.rotary)
    if understood.refused and "dtypes" not in attributes:
        taken["dtypes"] = tuple(dtype for dtype in DTYPES if dtype not in understood.refused)
    vars(function).update({**attributes, "domain": domain, **taken})
    vars(function)[TAKEN], vars(function)[NOTES] = tuple(taken), tuple(_notes(understood))
    function.__doc__ = inspect.getdoc(class_of(thing))
    return function


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, Collection) and not isinstance(value, str) else (str(value),)


def _mapping(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}={value}, but should be {KINDS[name][1]}")
    return value


def _function(layer: Layer) -> Function:
    """With `mask` in its signature where the module has one, or has the causal one in itself."""
    framework = frameworks.load(layer.verbs.FRAMEWORK)

    def multi_head(*arrays: object, heads: int, mask: object = None) -> object:
        given = {name: framework.to_numpy(array) for name, array in zip(ARRAYS, arrays, strict=True)}
        return layer(given, heads, None if mask is None else framework.to_numpy(mask))

    def program(*arrays: object, heads: int, mask: object = None) -> object:
        given = {name: framework.to_numpy(array) for name, array in zip(ARRAYS, arrays, strict=True)}
        return layer.program(given, heads, None if mask is None else framework.to_numpy(mask))

    if layer.verbs.FRAMEWORK == "torch" and layer.reading.batched:  # the others have modules that no program changes in place
        vars(multi_head)[PROGRAM] = program
    kinds = inspect.Parameter
    parameters = [kinds(name, kinds.POSITIONAL_OR_KEYWORD) for name in ARRAYS] + [kinds("heads", kinds.KEYWORD_ONLY)]
    if layer.forward.mask or layer.reading.causal:
        parameters.append(kinds("mask", kinds.KEYWORD_ONLY, default=None))
    vars(multi_head)["__signature__"] = inspect.Signature(parameters)
    return multi_head


def _domain(layer: Layer) -> list[str]:
    """The conditions under which the module can be asked."""
    conditions = [f"{name} == {1 if name.startswith('w') else 0}" for name in lacks(layer.roles)]
    conditions += ["self_attention == True"] if layer.forward.itself else []
    conditions += ["head_dim % 2 == 0"] if layer.reading.rotary else []
    conditions += [CAUSAL] if layer.reading.causal else []
    d_model, heads, key_heads = layer.sizes
    if not isinstance(layer.thing, type):
        of_heads = [f"query_heads == {heads}", f"key_heads == {key_heads}"] if key_heads < heads else [f"heads == {heads}"]
        return [*conditions, f"d_model == {d_model}", *of_heads]
    if key_heads < heads:
        return [*conditions, "key_heads in {2, 1}", "query_heads % 2 == 0"]
    return conditions if heads > 1 else [*conditions, "heads == 1"]


def _notes(understood: Understanding) -> list[str]:
    """What was guessed, in sentences."""
    layer = understood.layer
    weights = ", ".join(f"{'+'.join(names)} as {role}" for role, names in layer.roles.items())
    notes = [f"{'taken by their names' if not layer.weights else 'declared'}: {weights}", layer.forward.text]
    notes += [text] if (text := layer.reading.text(layer.fused, layer.order_unknown)) else []
    if layer.forward.mask and not layer.reading.causal and not understood.doubts:
        notes.append(f"{layer.forward.mask} taken as a mask [{layer.reading.mask_axes}], {FORMS[layer.reading.mask_kind]}")
    notes += [f"empty_rows={understood.empty_rows} by experiment"] if understood.empty_rows not in (None, "zeros") else []
    notes += [f"the first of {understood.several} results is taken for the output"] if understood.several else []
    notes += [f"not asked in {dtype}: {error}" for dtype, error in understood.refused.items()]
    return [*notes, *understood.doubts]


FORMS = {"any": "bool or 0/1", "bool": "bool", "numbers": "0/1", "added": "0 and -inf, added to the scores"}
