"""The construction of a module for given sizes, by the names of its constructor's parameters, or a copy of an instance."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from threading import local
from types import SimpleNamespace
from typing import NamedTuple

from attention_harness.registry.modules.kinds import Verbs

D_MODEL = (
    "d_model", "embed_dim", "embedding_dim", "embed_size", "emb_size", "emb_dim", "hidden", "hidden_size", "hidden_dim", "model_dim",
    "dim", "dim_in", "dim_out", "d", "d_in", "d_out", "n_embd", "n_embed", "in_features", "out_features", "query_size", "features",
    "input_dim", "output_dim", "in_dim", "out_dim", "query_dim", "channels", "width", "size",
)  # fmt: skip
HEADS = (
    "heads", "num_heads", "n_heads", "n_head", "nhead", "num_head", "h", "num_attention_heads", "head_count", "nheads",
)  # fmt: skip
KEY_HEADS = ("kv_heads", "num_kv_heads", "n_kv_heads", "num_key_value_heads", "key_heads", "n_kv_head", "num_query_groups")
ROTARY_BASES = ("rope_theta", "rope_base", "rotary_base", "rotary_emb_base", "theta", "base")
HEAD_DIM = ("head_dim", "dim_head", "head_size", "d_head", "d_k", "d_v", "d_q", "key_dim", "dim_k", "dim_v")
LENGTHS = (
    "context_length",
    "block_size",
    "max_len",
    "max_length",
    "seq_len",
    "max_seq_len",
    "max_seq_length",
    "n_ctx",
    "ctx_len",
    "max_position_embeddings",
    "max_positions",
)
NO_DROPOUT = (
    "dropout", "dropout_rate", "dropout_p", "drop", "attn_drop", "proj_drop", "attn_dropout", "resid_dropout", "attn_pdrop",
    "resid_pdrop", "attention_dropout", "p",
)  # fmt: skip
BIASES = (
    "bias", "qkv_bias", "use_bias", "proj_bias", "out_bias", "attention_bias", "use_query_bias", "use_key_bias", "use_value_bias",
    "use_output_bias",
)  # fmt: skip
CONFIGS = ("config", "cfg", "conf", "args", "hparams")

Arguments = dict[str, object]


class Size(NamedTuple):
    """Of a layer."""

    d_model: int
    heads: int
    key_heads: int


def arguments_for(size: Size, length: int) -> Arguments:
    """Well-known name of a constructor's parameter -> its value for a layer of this size."""
    d_model, heads, key_heads = size
    values: list[tuple[tuple[str, ...], object]] = [
        (BIASES, True), (NO_DROPOUT, 0.0), (D_MODEL, d_model), (HEADS, heads), (KEY_HEADS, key_heads),
        (HEAD_DIM, d_model // heads), (LENGTHS, length),
        (("batch_first",), True),
    ]  # fmt: skip
    return {name: value for names, value in values for name in names}


def of_constructor(module: type) -> dict[str, inspect.Parameter]:
    """The parameters of a constructor, without `self` and those of any name."""
    named = list(inspect.signature(module.__init__).parameters.items())[1:]  # type: ignore[misc]
    return {name: one for name, one in named if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}


@dataclass
class Source:
    """Modules of any size, or copies of an instance, each for one thread, since its weights are set for each call."""

    verbs: Verbs
    thing: object
    device: str = "cpu"
    own: Size | None = None
    """The size of an instance."""
    kept: local = field(default_factory=local)

    def module(self, size: Size, length: int, dtype: str) -> object:
        """The module of this size. NotImplementedError where there is none."""
        if self.own and self.own != size:
            raise NotImplementedError(f"d_model, heads and key heads={(*size,)}, but should be {(*self.own,)}")
        if not hasattr(self.kept, "made"):
            self.kept.made = lru_cache(maxsize=8)(self._made)
        made: Callable[[Size, int, str], object] = self.kept.made
        return made(size, _rounded(length), dtype)

    def construction(self, size: Size, length: int) -> Arguments | None:
        """The arguments with which the class is called for this size; None of an instance."""
        return constructor_arguments(self.thing, self._known(size, _rounded(length))) if isinstance(self.thing, type) else None

    def _known(self, size: Size, length: int) -> Arguments:
        return {name: make() for name, make in self.verbs.own_arguments().items()} | arguments_for(size, length)

    def _made(self, size: Size, length: int, dtype: str) -> object:
        if not isinstance(self.thing, type):
            return self.verbs.prepared(self.thing, dtype, self.device)
        arguments = constructor_arguments(self.thing, self._known(size, length))
        return self.verbs.prepared(self.thing(**arguments), dtype, self.device)


def _rounded(length: int) -> int:
    """A power of two, so that modules for several lengths are one."""
    return max(64, 1 << (length - 1).bit_length())


def constructor_arguments(module: type, known: Mapping[str, object]) -> Arguments:
    """What the constructor gets. ValueError for a parameter without a default that has no well-known name."""
    given: Arguments = {}
    for name, one in of_constructor(module).items():
        if name in known:
            given[name] = known[name]
        elif one.default is one.empty and name in CONFIGS:
            given[name] = SimpleNamespace(**known)
        elif one.default is one.empty:
            made = f"an instance in that file, such as layer = {module.__name__}(...)"
            raise ValueError(f"constructor={module.__name__}({name}), but should have sizes by well-known names, or be {made}")
    return given
