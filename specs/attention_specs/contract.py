"""The declarations of an implementation, and the options that it may accept.

Everything here is optional for the author of an implementation: attributes on the function, plain values. `declares`
sets them; nothing needs to be imported to set them by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import wraps
from typing import Any, TypeVar, cast

from attention_specs.choices import one_of
from attention_specs.formats import DTYPES

OPTIONS = (
    "mask", "bias", "is_causal", "scale", "window", "softcap", "sinks",
    "query_lengths", "key_lengths", "past_k", "past_v", "return_weights", "return_lse",
)  # fmt: skip
"""Keyword options of the contract; those that a signature names are passed natively."""

SCALES = ("q_scale", "k_scale", "v_scale")
"""Options that have the scales of stored arrays; they are passed where `storage` is declared."""

CACHE = ("past_k", "past_v")

IN_LAYOUT = ("q", "k", "v", *CACHE, "out", "dout", "out_a", "out_b")
"""Arrays of attention and of a merge that come in the layout which is declared, and their gradients too."""

ATTRIBUTES = (
    "framework", "device", "layout", "dtypes", "conventions", "precision", "gradient", "backward", "options", "spec", "names",
    "ignored", "positional", "returns", "mask_means", "contiguous", "domain", "weights", "form", "lse_layout", "storage",
    "rotary",
)  # fmt: skip
"""Attributes that are read from an implementation; a `backward(arrays, options, wrt, dout)` gives the gradients, in place of
the framework.
`names` has the parameters that stand for options, `{"mask": "attn_mask"}`; `ignored` those that are no options and keep their defaults.
`positional` has arrays and options in the order in which they are passed, also `qkv` or `kv`, which hold several arrays;
`returns` the parts of a tuple that always comes back;
`domain` conditions on the problems that it takes, `("head_dim in {64, 128}",)`;
`weights` the parameters of a module by their role in a layer, `{"w_q": "query.weight"}`;
`storage` the format of queries, keys or values that come as codes of eight bits, `{"format": "float8_e4m3fn", "arrays": "kv",
"scales": "head"}`;
`rotary` the positions by which a layer turns its queries and keys, `{"base": 10000, "pairs": "halves"}`."""

LAYOUTS = {"bhld": (0, 1, 2, 3), "blhd": (0, 2, 1, 3), "hld": (0, 1, 2, 3), "lhd": (0, 2, 1, 3)}
"""Layout -> the places of batch, heads, positions and dimensions; those of three axes have no batch, which has one entry then."""

LSE_LAYOUTS = ("hl", "lh")
"""Orders of heads and positions in an lse, behind the batch if there is one."""
FUSED = {"qkv": ("q", "k", "v"), "kv": ("k", "v")}
"""Array of several -> the arrays of the contract that lie in it, along an axis in front of that of the heads."""

MASK_MEANINGS = ("visible", "hidden")
"""Meanings of True in a mask."""

RETURNED = ("out", "weights", "lse")
"""Parts of a tuple that are judged; others are left out."""

CHOICES: dict[str, tuple[bool | str, ...]] = {
    "empty_rows": ("zeros", "nan", "uniform", "unspecified"),
    "causal_alignment": ("top-left", "bottom-right"),
    "window_alignment": ("top-left", "bottom-right"),
    "masked_nan_safe": (False, True, "keys", "values"),
    "deterministic": (True, False),
    "batch_invariant": (False, True),
    "lse_base": ("e", "2"),
    "thread_safe": (True, False),
    "checks_shapes": (False, True),
}


EMPTY_ROWS = {
    "mask": ("mask",),
    "bias": ("bias",),
    "causal": ("causal", "mask"),
    "lengths": ("lengths", "mask"),
    "no_keys": ("no_keys", "mask"),
    "together": ("together",),
    "queries": ("queries",),
}
"""Form that leaves a row empty -> keys of an `empty_rows` mapping, the first that is there counts. `causal` is is_causal and
window; `together` is two forms or more that each hide some keys of the row. `queries` is a row behind its query length, whatever else
hides its keys, where that is declared apart."""


@dataclass(frozen=True)
class Conventions:
    """The choices in which frameworks legitimately differ.

    `empty_rows` may be a mapping with keys out of EMPTY_ROWS and the names of dtypes, nested in either order.
    """

    empty_rows: str | Mapping[str, str | Mapping[str, str]] = "zeros"
    causal_alignment: str = "top-left"
    window_alignment: str = "top-left"
    masked_nan_safe: bool | str = False
    deterministic: bool = True
    batch_invariant: bool = False
    lse_base: str = "e"
    thread_safe: bool = True
    checks_shapes: bool = False

    def __post_init__(self) -> None:
        for name in CHOICES:
            object.__setattr__(self, name, _canonical(name, getattr(self, name)))

    @classmethod
    def declared(cls, attributes: object) -> Conventions:
        """From a plain mapping; ValueError for anything else, and for an unknown name or value."""
        if not isinstance(attributes, Mapping):
            raise ValueError(f"conventions={attributes}, but should be a dict")
        unknown = set(attributes) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"convention={', '.join(sorted(map(str, unknown)))}, but should be one of {', '.join(CHOICES)}")
        return cls(**attributes)

    def updated(self, attributes: Mapping[str, object]) -> Conventions:
        """These conventions with other values. Raises ValueError as `declared` does."""
        return Conventions.declared({f.name: getattr(self, f.name) for f in fields(self)} | dict(attributes))

    def empty_rows_of(self, form: str, dtype: str, absent: str = "zeros") -> str:
        """The answer of a row whose keys a form out of EMPTY_ROWS hides, in this dtype; `absent` if undeclared."""
        return _most_particular(self.empty_rows, (dtype, *EMPTY_ROWS[form])) or absent

    def behind_queries(self, dtype: str) -> str:
        """The answer of a row behind its query length, in this dtype; "" where nothing is declared apart."""
        return "" if isinstance(self.empty_rows, str) else _most_particular(self.empty_rows, ("queries", dtype))

    def with_zeros_behind_queries(self) -> Conventions:
        """The same, with zeros in rows behind their query lengths."""
        if self.zeros_in_empty_rows:
            return self
        declared = self.empty_rows
        of_all = dict.fromkeys(("mask", "bias", "together"), declared) if isinstance(declared, str) else dict(declared)
        return self.updated({"empty_rows": of_all | {"queries": "zeros"}})

    @property
    def zeros_in_empty_rows(self) -> bool:
        """Whether every row without visible keys gives zeros, whatever hides them."""
        return set(_leaves("empty_rows", self.empty_rows)) <= {"zeros"}


def _most_particular(value: Any, keys: tuple[str, ...]) -> str:
    """The value under the first of the keys, else that of the mapping around; "" if neither has one."""
    if isinstance(value, str):
        return value
    values = (_most_particular(value[key], keys) for key in keys if key in value)
    return next(filter(None, values), "")


def _leaves(name: str, value: Any) -> list[Any]:
    """The values in a declaration that may be a mapping of mappings. Raises ValueError for an unknown key."""
    if not isinstance(value, Mapping):
        return [value]
    keys = (*EMPTY_ROWS, *DTYPES) if name == "empty_rows" else ()
    if unknown := [key for key in value if key not in keys]:
        raise ValueError(f"{name} of {unknown[0]}, but should be of {', '.join(keys) or 'no form: one value'}")
    return [leaf for inner in value.values() for leaf in _leaves(name, inner)]


def _canonical(name: str, value: Any) -> Any:
    """The value, or a mapping of values, as CHOICES spells it. Raises ValueError."""
    if not isinstance(value, Mapping):
        return one_of(name, value, CHOICES[name])
    _leaves(name, value)
    return {str(key): _canonical(name, inner) for key, inner in value.items()}


@dataclass(frozen=True)
class Description:
    """An implementation as it describes itself once loaded; plain data, so that it crosses processes."""

    name: str
    spec: str = "attention"
    framework: str = "numpy"
    version: str = ""
    device: str = "cpu"
    options: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """Option -> the parameter that stands for it, where that has another name."""
    dtypes: tuple[str, ...] | None = None
    conventions: Conventions = Conventions()
    precision: Mapping[str, str] = field(default_factory=dict)
    gradient: bool = False
    compiles: bool = False
    summary: str = ""
    layout: str = "bhld"
    declared: tuple[str, ...] = ()
    """The attributes and conventions that the author wrote down, whatever their values: all others are defaults."""
    positional: tuple[str, ...] = ()
    """Arrays and options that are passed by position, in this order; the three arrays where it is empty."""
    needed: tuple[str, ...] = ()
    """Options without a default: where a problem has none, a value is passed that changes nothing."""
    returns: tuple[str, ...] = ()
    """The parts of the tuple that always comes back; () for the output alone."""
    mask_means: str = "visible"
    contiguous: bool = False
    """Whether it is asked with contiguous arrays only."""
    open_side: int | None = None
    """The number that stands for a side of a window that is open."""
    domain: tuple[str, ...] = ()
    """Conditions on the problems that it takes, as `attention_specs.attention.domain` reads them; () for all."""
    storage: Mapping[str, str] = field(default_factory=dict)
    """The format, the arrays and the scales of what is stored in eight bits; {} where nothing is."""
    rotary: Mapping[str, str] = field(default_factory=dict)
    """Base and pairs of the rotation in a layer; {} where there is none."""
    implied: tuple[str, ...] = ()
    """Options that the domain fixes and that have no parameter: they are not passed."""
    switches: tuple[str, ...] = ()
    """Parameters that are true in every call."""
    operator: bool = False
    """Whether it is an operator of its framework, which has a check of its own for those."""
    module: bool = False
    """Whether it is a module of a framework, whose weights are set for each call."""
    notes: tuple[str, ...] = ()
    """What was taken without a declaration, a sentence each."""
    form: str = "padded"
    """The way in which a call is handed over, a name of `attention_specs.forms`."""
    metadata: tuple[str, ...] = ()
    """Parameters of the form that the function takes."""
    lse_layout: str = "hl"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


Function = TypeVar("Function", bound=Callable[..., Any])


def declares(**attributes: Any) -> Callable[[Function], Function]:
    """Decorator that sets these attributes; TypeError for a name that is not in ATTRIBUTES."""
    unknown = set(attributes) - set(ATTRIBUTES)
    if unknown:
        raise TypeError(f"declared={', '.join(sorted(unknown))}, but should be among {', '.join(ATTRIBUTES)}")

    def set_attributes(function: Function) -> Function:
        for name, value in attributes.items():
            setattr(function, name, value)
        return function

    return set_attributes


def on(device: str, function: Function) -> Function:
    """The same implementation on another device: a function of its own, with the same signature and the same attributes."""

    @wraps(function)
    def attention(*arrays: Any, **options: Any) -> Any:
        return function(*arrays, **options)

    attention.device = device  # type: ignore[attr-defined]
    return cast(Function, attention)
