"""The number of uses of `Any` in what drives, under whatever name: each is a place where a reader learns no type."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("specs", "implementations", "harness", "reports")
FREE = ("frameworks", "audit/faults")
"""Folders of attention_harness that handle arrays of other libraries, or are wrong on purpose."""

MOST = 60

FOREIGN = {"typing": {"Any"}, "typing_extensions": {"Any"}, "_typeshed": {"Incomplete", "MaybeNone"}}
"""Module -> its names for a type that fits everything."""

BINDINGS = (ast.Assign, ast.AnnAssign, ast.NamedExpr, *([ast.TypeAlias] if hasattr(ast, "TypeAlias") else []))


def module_of(path, folder):
    """The dotted name of a file."""
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources():
    """Module -> text, of all packages."""
    files = [(path, ROOT / folder) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {module_of(path, folder): path.read_text(encoding="utf-8") for path, folder in files}


def dotted(node):
    """`a.b.c` of a name or an attribute; None of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else None
    return inner and f"{inner}.{node.attr}"


def parsed(text, mode="eval"):
    """The tree of an expression in a text or a comment; an empty one where it is none."""
    try:
        return ast.parse(text.strip(), mode=mode)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def uses(node, names, casts=True):
    """Nodes that name Any, or something that contains it; in strings too, which may be annotations, but not in docstrings."""
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    is_cast = isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] == "cast"
    if is_docstring or (is_cast and not casts):
        return
    if dotted(node) in names or (isinstance(node, ast.Attribute) and node.attr == "Any"):
        yield from () if isinstance(node.ctx, ast.Store) else (node,)
    elif isinstance(node, ast.Constant):
        yield from uses(parsed(node.value), names, casts) if isinstance(node.value, str) else ()
    else:
        for inner in ast.iter_child_nodes(node):
            yield from uses(inner, names, casts)


def comments(text):
    """The types in comments `# type: T` and `# type: (T) -> T`."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        comment = re.match(r"#\s*type:\s*(?!ignore)([^#]+)", token.string) if token.type == tokenize.COMMENT else None
        if comment:
            yield parsed(comment[1], "func_type" if "->" in comment[1] else "eval")


def count(text, names):
    """Uses of these names in a module."""
    return sum(1 for tree in (ast.parse(text), *comments(text)) for _ in uses(tree, names))


def imported(tree, module, known, is_package):
    """Names that an import gives to Any, and to what contains it in other modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                for inner in known.get(alias.name, ()):
                    yield f"{alias.asname or alias.name}.{inner}"
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: len(module.split(".")) + is_package - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield from taken(source, alias.name, alias.asname or alias.name, known)


def taken(source, name, own, known):
    """Names that `from source import name as own` gives."""
    for inner in known.get(source, ()):
        first, _, rest = inner.partition(".")
        if name == "*":
            yield inner
        elif name == first:
            yield f"{own}.{rest}" if rest else own
    yield from (f"{own}.{inner}" for inner in known.get(f"{source}.{name}", ()))


def bound(tree, names, within=""):
    """Names that a module, a class or a function binds to something that contains Any: aliases, type variables, subclasses."""
    for node in ast.iter_child_nodes(tree):
        inner = "" if isinstance(node, ast.FunctionDef) else within
        if isinstance(node, ast.ClassDef):
            inner = f"{within}{node.name}."
            if any(contains(base, names) for base in node.bases):
                yield within + node.name
        elif isinstance(node, BINDINGS) and node.value and contains(node.value, names):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None) or node.name]
            yield from (within + name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
        yield from bound(node, names, inner)


def contains(value, names):
    """Whether a value contains Any; the result of a cast is no type."""
    return any(True for _ in uses(value, names, casts=False))


def standing_for_any(texts, packages=()):
    """Module -> its names for Any, followed from module to module until there are no new ones."""
    trees = {module: ast.parse(text) for module, text in texts.items()}
    known = {**FOREIGN, **{module: {"Any"} for module in texts}}
    size = 0
    while size != (size := sum(map(len, known.values()))):
        for module, tree in trees.items():
            known[module] |= set(imported(tree, module, known, module in packages))
            known[module] |= set(bound(tree, known[module]))
    return known


def drives(module):
    """Whether it belongs to what drives: attention_harness without the folders that are free."""
    free = tuple(f"attention_harness.{folder.replace('/', '.')}" for folder in FREE)
    return module.startswith("attention_harness") and not any(f"{module}.".startswith(f"{one}.") for one in free)


def test_there_are_few_uses_of_any_in_what_drives():
    texts = sources()
    packages = {module_of(path, ROOT / folder) for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")}
    known = standing_for_any(texts, packages)
    counts = {module: number for module in texts if drives(module) and (number := count(texts[module], known[module]))}
    assert sum(counts.values()) < MOST, counts


TYPES = {
    "package.types": "from typing import Any\nRow = dict[str, Any]\nclass Box:\n    Inner = list[Any]\n",
    "package.more": "from package.types import Row as Record\nRows = list[Record]\n",
    "package": "from .types import Row\n",
}

TRICKS = {
    "def f(x: Any): ...": 1,
    "x: dict[str, Any] = {}": 1,
    "def f(*args: Any, **options: Any) -> Any: ...": 3,
    "from typing import Any as Json\nx: Json": 1,
    "if True:\n    from typing import Any as Json\nx: Json": 1,
    "from typing_extensions import Any as Json\nx: Json": 1,
    "import typing\nx: typing.Any": 1,
    "import typing as t\nx: t.Any": 1,
    "import typing_extensions\nx: typing_extensions.Any": 1,
    "import importlib\nx: importlib.import_module('typing').Any": 1,
    "from _typeshed import Incomplete\nx: Incomplete": 1,
    "from typing import Any as Json\nRow = dict[str, Json]\ndef f(x: Row) -> Row: ...": 3,
    "Row: TypeAlias = dict[str, Any]\nx: Row": 2,
    "Row: TypeAlias = 'dict[str, Any]'\nx: Row": 2,
    "A = list[Any]\nB = list[A]\nx: B": 3,
    "B = list['A']\nA = list[Any]\nx: B": 3,
    "A, B = Any, int\nx: A": 2,
    "T = TypeVar('T', bound=Any)\ndef f(x: T) -> T: ...": 4,  # with its name in a string
    "class Thing(Any): ...\nx: Thing": 2,
    "class Row(dict[str, Any]): ...\nx: Row": 2,
    "class Box:\n    Inner = Any\nx: Box.Inner": 2,
    "def f():\n    Inner = Any\n    x: Inner": 2,
    "x: 'Any'": 1,
    "x: list['dict[str, Any]']": 1,
    "x: \"list['Any']\"": 1,
    "y = cast('Any', x)": 1,
    "Row = TypedDict('Row', {'x': Any})\nx: Row": 3,  # likewise
    "import typing\nJson = getattr(typing, 'Any')\nx: Json": 2,
    "x = []  # type: list[Any]": 1,
    "from typing import Any as Json\ndef f(x):\n    # type: (Json) -> Json\n    ...": 2,
    "def f(x,  # type: Any\n    ): ...": 1,
    "from package.types import Row\nx: Row": 1,
    "from package.types import *\nx: Row": 1,
    "from package import Row as Line\nx: Line": 1,
    "from package import types\nx: types.Row": 1,
    "import package.types\nx: package.types.Row": 1,
    "import package.types as p\nx: p.Row": 1,
    "from .types import Row\nx: Row": 1,
    "from . import types\nx: types.Row": 1,
    "from package.more import Rows\nx: Rows": 1,
    "from package.types import Box\nx: Box.Inner": 1,
    "from package import types\nx: types.Box.Inner": 1,
}

INNOCENT = [
    '"""Any."""\nx: int = 0',
    "def f():\n    'Any of them.'",
    "from typing import Any",
    "x = 'Any number of elements'",
    "x = any(y)  # Any of them",
    "x = y  # type: ignore[misc]",
    "x: object",
    "from package.types import Box\nx: Box",
    "x = cast(int, y)\nz: x",
    "from package.types import other\nx: other",
]


@pytest.mark.parametrize("code", TRICKS)
def test_each_trick_is_counted(code):
    texts = {**TYPES, "package.tried": code}
    assert count(code, standing_for_any(texts, {"package"})["package.tried"]) == TRICKS[code]


@pytest.mark.parametrize("code", INNOCENT)
def test_a_word_or_another_type_is_not_counted(code):
    texts = {**TYPES, "package.tried": code}
    assert count(code, standing_for_any(texts, {"package"})["package.tried"]) == 0
