"""The check of one function from Python."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from attention_harness import frameworks
from attention_harness.conformance.check import CheckResult, Plan, check, check_function, property_names
from attention_harness.conformance.plan import Listener
from attention_harness.conformance.settings import QUICK, Settings
from attention_harness.errors import UsageError
from attention_harness.frameworks.switches import precise
from attention_harness.process.in_process import InProcessWorker
from attention_harness.registry.loading import LoadError, available
from attention_harness.registry.modules.kinds import kind_of
from attention_harness.registry.objects import as_function, beside_object, declared_spec, name_of
from attention_harness.registry.sources import joined
from attention_harness.registry.targets import Target, resolve, spec_by_name
from attention_harness.runs import run as running
from attention_harness.runs.notebook import notebook_progress
from attention_harness.runs.result import Result
from attention_specs.choices import one_of
from attention_specs.formats import DTYPES

Function = Callable[..., object]


def check_attention(
    f: Function | str,
    *,
    examples: int | None = None,
    seed: int = 0,
    dtypes: Sequence[str] | None = None,
    properties: Sequence[str] | None = None,
    declare: Mapping[str, object] | None = None,
    quick: bool = False,
    framework: str | None = None,
    timeout: float = Settings.seconds,
    memory: int = Settings.memory,
) -> Result:
    """Judges one attention by every property that its signature supports: what `attention-harness check` does.

    `f` takes q [B, Hq, Lq, D], k [B, Hkv, Lk, D] and v [B, Hkv, Lk, Dv] by position, options by name, and returns [B, Hq, Lq, Dv].

    A name is called in a process of its own, where a crash, a hang or a lack of memory is an outcome: `"file.py:function"`,
    `"package.module:function"`, or a registered name. A function object (also a lambda, a closure, a partial, an instance) is called
    **in this process**: if it crashes or hangs, so does the caller, and `timeout` and `memory` do not hold for it.

    | argument | meaning |
    |---|---|
    | `examples` | cases to draw, beside vectors and edge cases, which are always asked: 150, or 15 if `quick` |
    | `seed` | decides every case |
    | `dtypes` | draw these only, out of float64, float32, bfloat16, float16 |
    | `properties` | judge these only, by id (`"P4"`), name or pattern (`"M*"`) |
    | `declare` | conventions and attributes of a function that declares none itself: `{"layout": "blhd", "lse_base": "2"}` |
    | `framework` | whose arrays a function object gets, numpy, torch or jax: as declared, else by its type, annotations, code |
    | `timeout`, `memory` | seconds of a call and MiB of the process, of a name |

    A notebook shows the progress. Nothing is written to the working directory, and no setting of this process is changed afterwards.

    Raises UsageError for a wrong argument, and for a function that cannot be loaded or called so.
    """
    settings = Settings(
        examples=_examples(examples, quick),
        seed=seed,
        properties=property_names(properties or ()),
        dtypes=_dtypes(dtypes),
        seconds=timeout,
        memory=memory,
        declared=dict(declare or {}),
    )
    _require_positive(examples=settings.examples, timeout=timeout, memory=memory)
    running.validate(settings)
    folder = Path(mkdtemp(prefix="attention-harness-"))
    try:
        plan = running.plan_of(settings, folder)
        with path_as_before(), notebook_progress(*_size(f, plan)) as listener:
            checked = _named(f, framework, plan, listener) if isinstance(f, str) else _object(f, framework, plan, listener)
        return Result(checked, settings, folder, in_process=not isinstance(f, str))
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise


def _examples(given: int | None, quick: bool) -> int:
    """The cases to draw. UsageError for two numbers."""
    if quick and given is not None:
        raise UsageError(f"examples={given}, but should be left out: quick asks {QUICK}")
    return given if given is not None else QUICK if quick else Settings.examples


def _dtypes(wanted: Sequence[str] | None) -> tuple[str, ...]:
    given = (wanted,) if isinstance(wanted, str) else tuple(DTYPES if wanted is None else wanted)
    if unknown := [str(one) for one in given if one not in DTYPES]:
        raise UsageError(f"dtypes={', '.join(unknown)}, but should be among {', '.join(DTYPES)}")
    return given


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f"{name}={value}, but should be above 0")


def _size(f: Function | str, plan: Plan) -> tuple[str, int]:
    """The name of the attention, and about how many cases it will be asked: their number is certain once they are drawn."""
    name = f if isinstance(f, str) else name_of(f)
    suite = plan.suites[declared_spec(f) or spec_by_name(name)]
    return name, len(suite.vectors) + len(suite.examples) + len(suite.edge_cases) + plan.settings.examples


def _named(name: str, framework: str | None, plan: Plan, listener: Listener) -> CheckResult:
    """The check of a target by its name, in processes of its own."""
    if framework is not None:
        raise UsageError(f"framework={framework}, but should be left out: {name} declares its own (function.framework = ...)")
    if "backward" in plan.settings.declared:
        raise UsageError(f"declare=backward, but should be left out: {name} declares its own (function.backward = ...)")
    targets: list[Target] = resolve([name], plan.settings.attributes)
    if len(targets) > 1:
        raise UsageError(f"f={name}, but should name one function: it names {', '.join(target.name for target in targets)}")
    checked = check(targets[0], plan, listener)
    if checked.unloadable:
        raise UsageError(checked.unloadable)
    return checked


def _object(function: Function, framework: str | None, plan: Plan, listener: Listener) -> CheckResult:
    """The check of a function object, in this process."""
    if not callable(function):
        raise UsageError(f"f={type(function).__name__}, but should be a function, or the name of one")
    if inspect.isclass(function) and not kind_of(function):
        raise UsageError(f"f=the class {function.__name__}, but should be an instance of it, or a function")
    name = name_of(function)
    try:
        given = {"framework": one_of("framework", framework, frameworks.NAMES)} if framework else {}
        plain = as_function(function, joined(beside_object(function), plan.settings.attributes, given))
        with warnings.catch_warnings(action="ignore"), precise(getattr(plain, "framework", "numpy")):
            available(plain, name)
            return check_function(InProcessWorker(plain, name), plan, listener)
    except (LoadError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


@contextmanager
def path_as_before() -> Iterator[None]:
    """The module path is afterwards as before: the working directory joins it for the module of a target."""
    before = sys.path[:]
    try:
        yield
    finally:
        sys.path[:] = before
