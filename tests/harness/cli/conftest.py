"""Functions that end in every way, in a working folder of their own; documents against the schemas of the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SCHEMAS = Path(__file__).parents[3] / "schemas"

RIGHT = """
import numpy as np


def attention(q, k, v, *, is_causal=False, scale=None):
    k, v = (np.repeat(a, q.shape[1] // max(k.shape[1], 1), axis=1) for a in (k, v))
    scale = max(q.shape[-1], 1) ** -0.5 if scale is None else scale
    scores = (scale * q) @ k.swapaxes(-1, -2)
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
    return (powers / powers.sum(-1, keepdims=True) @ v).astype(q.dtype)
"""
ENDINGS = {
    "right.py": RIGHT,
    "tiled.py": RIGHT.replace("np.repeat(a, q.shape[1] // max(k.shape[1], 1), axis=1)", "np.tile(a, (1, q.shape[1] // max(k.shape[1], 1), 1, 1))"),
    "aborts.py": "import os\n\n\ndef attention(q, k, v):\n    os.abort()\n",
    "hangs.py": "import time\n\n\ndef attention(q, k, v):\n    time.sleep(60)\n",
    "tells.py": "def attention(q, k, v):\n    raise ValueError(f'the secret is {q.tolist()} secret')\n",
    "picky.py": "import zlib\n" + RIGHT.replace(
        "    k, v =", "    if q.size > 1 and zlib.crc32(q.tobytes()) % 5:\n        raise NotImplementedError(f'head_dim={q.shape[-1]} secret')\n    k, v ="
    ),
    "refuses.py": "def attention(q, k, v):\n    raise NotImplementedError('nothing is offered')\n",
    "raises.py": "raise RuntimeError('at import')\n",
}  # fmt: skip


@pytest.fixture
def folder_of(tmp_path, monkeypatch):
    """`folder_of({name: text})` makes the working folder of these files."""

    def filled(files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return filled


@pytest.fixture
def endings(folder_of):
    """The working folder."""
    return folder_of(ENDINGS)


@pytest.fixture(scope="session")
def validate():
    """`validate("check", document)` raises where the document is not as schemas/check.json says."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    known = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.json")}
    resources = [(name, referencing.Resource.from_contents(schema)) for name, schema in known.items()]
    registry = referencing.Registry().with_resources(resources)

    def validate(name, document):
        jsonschema.Draft202012Validator(known[f"{name}.json"], registry=registry).validate(document)

    return validate
