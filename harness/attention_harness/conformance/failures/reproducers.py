"""Failing cases as files: `<id>.json` to replay here, `<id>.py` to run anywhere with NumPy and the implementation alone."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, printable
from attention_harness.process.limits import Limits
from attention_harness.process.packing import pack
from attention_harness.registry.call_form import CallForm
from attention_harness.registry.targets import Target
from attention_specs.attention.oracle import Reference
from attention_specs.case import Case
from attention_specs.property import Property
from attention_specs.spec import Inputs

PICTURE_CELLS = 4096
"""Largest mask or error that is kept with a case as a picture."""

MOST_LISTED = 4
"""Arrays of so few numbers are written as numbers."""
NUMBERS = ("float64", "float32", "float16", "int64", "bool")


def file_name(text: str) -> str:
    """The text as a name of a file: no two texts share one. Where more than a colon is replaced, a few digits keep them apart."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_") or "unnamed"
    return plain if plain.replace("_", ":") == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def write(
    folder: Path, target: Target, under_test: UnderTest, property_: Property, case: Case, message: str, when: str = ""
) -> Path:
    """Writes both files and returns the path of the JSON. `when` says when the failure comes, if not at each call."""
    (folder / "cases").mkdir(parents=True, exist_ok=True)
    path = folder / "cases" / f"{file_name(target.name)}-{property_.id}-{case.id}.json"
    message = printable(message)
    under_test.forget()
    x = under_test.realise(case)
    data = {
        "schema": 1,
        "target": target.name,
        "location": target.location,
        "registered": target.registered,
        "declared": json.loads(target.declared or "{}"),
        "conventions": asdict(under_test.description.conventions),
        "limits": asdict(getattr(under_test.worker, "limits", Limits())),
        "property": property_.name,
        "clause": property_.id,
        "message": message,
        "when": when,
        "case": case.to_json(),
        "problem": case.problem.to_json(),
        "picture": _picture(under_test, x),
    }
    path.write_text(json.dumps(data, indent=1, default=str) + "\n")
    if target.location and (script := _script(under_test, target, x, message)):  # a function object has no place
        path.with_suffix(".py").write_text(script)
    return path


def _picture(under_test: UnderTest, x: Inputs) -> dict[str, object]:
    """The mask and the error / bound of the output, for the batch entry and head that are furthest off; empty if large."""
    try:
        expected, out = under_test.expected(x), under_test(x)
        exact = expected.exact
        if not isinstance(exact, Reference):
            return {}
        off = np.abs(out.astype(np.float64) - expected.out.astype(np.float64)) / expected.bounds.out
        error = np.nan_to_num(off, nan=1e9, posinf=1e9)
        worst = tuple(map(int, np.unravel_index(int(np.argmax(error)), error.shape)[:-2]))
        mask = np.isfinite(exact.scores[(*worst, 0)[:2]].astype(np.float64))
    except (CallFailed, ValueError, IndexError):
        return {}
    if max(mask.size, error[worst].size) > PICTURE_CELLS:
        return {}
    return {"mask": mask.astype(int).tolist(), "error": error[worst].tolist()}


def _script(under_test: UnderTest, target: Target, x: Inputs, message: str) -> str:
    """A program that builds the same arrays, calls the implementation in its own form and prints its answer and the right one.

    "" for a module of a framework whose modules no program can be set in place.
    """
    form, description = CallForm(under_test.description), under_test.description
    asked = under_test.lowered(x)
    if description.module:
        try:
            called, by_position, by_name = module_call(under_test.module_call(x))
        except (CallFailed, KeyError, ValueError, TypeError, StopIteration):  # foreign code may have answered anything
            return ""
    else:
        by_position, by_name = form.own_call(under_test.form.to_call(asked, under_test.spec.call(asked)))
        called = CALLED.replace("{part}", f"[{description.returns.index('out')}]" if description.returns else "")
    expected = under_test.expected(x)
    bound = np.broadcast_to(expected.bounds.out, expected.out.shape)
    wanted, bound = (under_test.form.to_answer(x, "out", a.astype(np.float64)) for a in (expected.out, bound))
    return SCRIPT.format(
        message=message.replace("\\", "/").replace('"""', "'''"),
        arrays="".join(f"    {name!r}: {literal(value)},\n" for name, value in by_position.items()),
        options="".join(f"    {name!r}: {literal(value)},\n" for name, value in by_name.items()),
        called=called,
        wanted=literal(form.given("out", wanted)),
        bound=literal(form.given("out", bound)),
        device=description.device,
        framework=description.framework,
        location=target.location,
    )


def module_call(call: Mapping[str, np.ndarray]) -> tuple[str, dict[str, object], dict[str, object]]:
    """The code that calls a module, the parameters that it sets first, and the arguments of the call."""
    how = json.loads(call["how"].tobytes())
    parameters, arguments = ({name.partition(" ")[2]: array for name, array in call.items() if name.startswith(kind)}
                             for kind in ("parameter ", "argument "))  # fmt: skip
    options: dict[str, object] = {**arguments, **how["flags"]}
    called = MODULE_CALLED.replace("{construction}", repr(how["construction"])).replace("{config}", repr(how["config"]))
    return called.replace("{dtype}", repr(next(iter(parameters.values())).dtype.name)), {**parameters}, options


def literal(value: object) -> str:
    """The text of a value in a program."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size <= MOST_LISTED and value.dtype.name in NUMBERS and value.flags.c_contiguous:
        return f"np.array({value.tolist()}, {value.dtype.name!r}).reshape{value.shape}"
    packed = pack(value)
    data = base64.b64encode(zlib.compress(packed.data)).decode()
    return f"array({data!r}, {packed.dtype!r}, {packed.shape}, {packed.strides}, {packed.offset})"


CALLED = '''def called(function, arrays, options):
    """The output as float64."""
    out = function(*map(native, arrays.values()), **{name: native(a) for name, a in options.items()}){part}
    return np.asarray(out.detach().cpu().double() if hasattr(out, "detach") else out).astype(np.float64)'''

MODULE_CALLED = '''def called(module, parameters, arguments):
    """The output of the module with these parameters, as float64."""
    import copy
    import types

    import torch

    construction, config = {construction}, {config}
    if construction is not None:
        made = {name: types.SimpleNamespace(**value) if name == config else value for name, value in construction.items()}
        module = module(**made)
    module = copy.deepcopy(module).to(dtype=getattr(torch, {dtype}), device=native(np.zeros(1)).device).eval()
    own = dict(module.named_parameters())
    for name, value in parameters.items():
        own[name].data = native(value)
    with torch.no_grad():
        out = module(**{name: native(a) for name, a in arguments.items()})
    out = out[0] if isinstance(out, tuple | list) else out
    return np.asarray(out.cpu().double())'''

SCRIPT = '''"""{message}

Stands alone: needs NumPy (ml_dtypes for dtypes that NumPy lacks), the framework and the implementation.
"""

import base64
import importlib
import importlib.util
import os
import sys
import zlib

import numpy as np

inf, nan = np.inf, np.nan


def array(data, dtype, shape, strides, offset):
    """An array with its own memory layout."""
    if not hasattr(np, dtype):
        import ml_dtypes

        dtype = getattr(ml_dtypes, dtype)
    return np.ndarray(shape, dtype, bytearray(zlib.decompress(base64.b64decode(data))), offset, strides)


def native(a, device={device!r}, framework={framework!r}):
    """The array as the framework's own."""
    if not isinstance(a, np.ndarray) or framework == "numpy":
        return a
    if framework == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        return jax.numpy.asarray(a)
    import torch

    a = a.copy() if any(s < 0 for s in a.strides) or not a.flags.writeable else a
    if a.dtype.isbuiltin == 1:
        return torch.from_numpy(a).to(device)
    return torch.from_numpy(a.view("int%d" % (8 * a.itemsize))).view(getattr(torch, a.dtype.name)).to(device)


def load(location={location!r}):
    """The implementation."""
    container, _, name = location.rpartition(":")
    folder, package = os.path.dirname(container), []
    while container.endswith(".py") and os.path.exists(os.path.join(folder, "__init__.py")):
        package.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    if package:
        sys.path.insert(0, folder)
        module = importlib.import_module(".".join([*package, os.path.basename(container)[:-3]]))
    elif container.endswith(".py"):
        sys.path.insert(0, os.path.dirname(container))
        spec = importlib.util.spec_from_file_location("implementation", container)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(container)
    names = [name] if name else ["attention", "multi_head", "merge"]
    functions = [getattr(module, name) for name in names if hasattr(module, name)]
    return functions[0] if functions else prepared(module)


def prepared(module):
    """A module with `prepare` as a function."""

    def attention(q, k, v, **options):
        problem = {{"shapes": [tuple(a.shape) for a in (q, k, v)], "dtype": str(q.dtype), "options": sorted(options)}}
        return module.prepare(problem)(q, k, v, **options)

    return attention


{called}


ARRAYS = {{
{arrays}}}
OPTIONS = {{
{options}}}
WANTED = {wanted}
BOUND = {bound}

if __name__ == "__main__":
    got = called(load(), ARRAYS, OPTIONS)
    if got.shape != WANTED.shape:
        sys.exit(f"shape={{got.shape}}, but should be {{WANTED.shape}}")
    with np.errstate(all="ignore"):
        right = (got == WANTED) | (np.isnan(got) & np.isnan(WANTED)) | (np.abs(got - WANTED) <= BOUND)
        largest = np.nanmax(np.abs(got - WANTED), initial=0)
    print("got:", got, "should be:", WANTED, "largest difference:", largest, sep="\\n")
    sys.exit(f"{{np.sum(~right)}} of {{right.size}} numbers are beyond the bound" if not right.all() else 0)
'''
