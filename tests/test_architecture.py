"""The rules that keep the package liveable (docs/design.md), checked on its syntax trees."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "twinsign"
DESIGN = PACKAGE.parents[1] / "docs" / "design.md"
# The table of docs/design.md is the one list of rooms: a room imports only from rooms above it. __init__ is the public
# API, which names what is in all of them, when it is asked for.
ORDER = ["__init__", *re.findall(r"^\| `(\w+)(?:\.py|/)` \|", DESIGN.read_text(encoding="utf-8"), re.MULTILINE)]
MOST_LOOSE_MODULES = 8
MOST_FILES = 20
WITHOUT_TORCH = ("pose", "streaming", "extract", "datasets", "synthetic")
LIGHTNING = {"lightning", "pytorch_lightning"}
EQUATIONS = range(1, 9)
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
# Eq. 6 has nine symbols, and banks are arguments of a pure loss; a command's parameters are its options,
# and so are an experiment's.
MANY_PARAMETERS = {
    Path("ssl/losses.py"),
    Path("train/protocols.py"),
    *(path.relative_to(PACKAGE) for path in PACKAGE.glob("cli/commands/*.py")),
}
# Bounds and sizes that only a joint layout has: parts of ours (21, 42, 48, 49) and of COCO-WholeBody (91, 112, 133).
JOINT_BOUNDS = {21, 42, 48, 49, 91, 112, 133}
JOINT_NUMBERS = range(133)
JOINT_TABLE = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
TREES = {path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


def room(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for path, tree in TREES.items():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, kinds))


def imports() -> Iterator[tuple[Path, int, str]]:
    """Every imported name in full, wherever it stands: file, line, "package.module.name"."""
    for path, node in nodes(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from ((path, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ["twinsign", *path.parent.parts]
            base = package[: len(package) - node.level + 1] if node.level else []
            yield from (
                (path, node.lineno, ".".join([*base, *filter(None, [node.module]), alias.name])) for alias in node.names
            )


def imported_room(name: str) -> str | None:
    """The room of a name under twinsign, `__init__` for the package's own names; None for other packages."""
    head, *rest = name.split(".")
    if head != "twinsign":
        return None
    return rest[0] if rest and ((PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").is_file()) else "__init__"


def test_every_module_has_a_room() -> None:
    strangers = {str(path) for path in TREES if room(path) not in ORDER}
    assert not strangers, "not in ORDER"


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    loose = [str(path) for path in TREES if len(path.parts) == 1]
    assert len(loose) <= MOST_LOOSE_MODULES, loose
    folders = {
        folder: len([path for path in TREES if path.parent == folder]) for folder in {path.parent for path in TREES}
    }
    assert not {str(folder): count for folder, count in folders.items() if count > MOST_FILES}


def test_no_command_imports_another() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path, line, name in imports()
        if path.parts[:2] == ("cli", "commands") and name.startswith("twinsign.cli.commands.")
    ]
    assert not wrong


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path, line, name in imports()
        if {source := imported_room(name), room(path)} <= set(ORDER) and ORDER.index(source) > ORDER.index(room(path))
        if path.name != "__init__.py"  # public names, for type checkers; tests/test_public_api.py has what they load
    ]
    assert not wrong


def test_only_training_knows_lightning() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path, line, name in imports()
        if name.split(".")[0] in LIGHTNING and room(path) != "train"
    ]
    assert not wrong


def test_rooms_below_the_tensors_do_not_name_torch() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path, line, name in imports()
        if name.split(".")[0] == "torch" and room(path) in WITHOUT_TORCH
    ]
    assert not wrong


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_rooms_below_the_tensors_do_not_load_torch(name: str) -> None:
    modules = [".".join(["twinsign", *path.with_suffix("").parts]) for path in TREES if room(path) == name]
    modules = [module.removesuffix(".__init__") for module in modules]
    assert modules, f"no module in {name}"
    code = f"import sys, {', '.join(sorted(modules))}; sys.exit('torch is loaded' if 'torch' in sys.modules else 0)"
    env = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_parts_and_modalities_share_their_code() -> None:
    wrong = [str(path) for path in TREES if re.search(r".(_motion|_hand)$", path.stem)]
    for path, node in nodes(Definition):
        ending = r".(_motion|_hand|Motion|Hand)$" if isinstance(node, ast.ClassDef) else r".(_motion|_hand)$"
        if re.search(ending, node.name):
            wrong.append(f"{path}:{node.lineno} {node.name}")
    assert not wrong, "write it once and instantiate it per modality or part"


def integers(node: ast.expr) -> list[int] | None:
    """All numbers of a display made of integers alone, nested or not; None for anything else."""
    if isinstance(node, ast.Constant):
        return [node.value] if type(node.value) is int else None
    if not isinstance(node, ast.Tuple | ast.List | ast.Set):
        return None
    parts = [integers(element) for element in node.elts]
    return None if None in parts else [number for part in parts for number in part or []]


def is_joint_table(node: ast.expr) -> bool:
    """Five or more integers that could be joints; a grid of powers, as of neighbours or batch sizes, is none."""
    numbers = integers(node) or []
    grid = all(0 < one < other and other % one == 0 for one, other in pairwise(numbers))
    return len(numbers) >= JOINT_TABLE and all(number in JOINT_NUMBERS for number in numbers) and not grid


def is_joint_range(node: ast.Slice | ast.Call) -> bool:
    """A slice, or a call of range or slice, with a bound that only a joint layout has."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) not in ("range", "slice"):
        return False
    bounds = node.args if isinstance(node, ast.Call) else [node.lower, node.upper]
    return any(isinstance(bound, ast.Constant) and bound.value in JOINT_BOUNDS for bound in bounds)


def test_joint_numbers_stand_in_the_layout_alone() -> None:
    wrong = [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for path, node in nodes(ast.Tuple, ast.List, ast.Set, ast.Slice, ast.Call)
        if path != Path("pose/layout.py")
        and (is_joint_range(node) if isinstance(node, ast.Slice | ast.Call) else is_joint_table(node))
    ]
    assert not wrong, "name the joints through pose/layout.py"


def test_each_equation_has_one_home() -> None:
    homes: defaultdict[int, list[str]] = defaultdict(list)
    for path, node in nodes(Definition):
        for number in set(re.findall(r"\bEq\. ?(\d+)", ast.get_docstring(node) or "")):
            homes[int(number)].append(f"{path}:{node.lineno} {node.name}")
    wrong = {number: homes[number] for number in EQUATIONS if len(homes[number]) != 1}
    assert not wrong, "each Eq. n stands in exactly one definition's docstring"
    assert set(homes) == set(EQUATIONS), "the paper has Eq. 1 to 8"


def test_files_are_small() -> None:
    sizes = {str(path): len((PACKAGE / path).read_text(encoding="utf-8").splitlines()) for path in TREES}
    wrong = {path: lines for path, lines in sizes.items() if lines > MAX_FILE_LINES}
    assert not wrong, f"more than {MAX_FILE_LINES} lines"


def test_functions_are_small() -> None:
    wrong = []
    for path, node in nodes(Function):
        lines = node.end_lineno - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            wrong.append(f"{path}:{node.lineno} {node.name}: {lines} lines")
    assert not wrong, f"more than {MAX_FUNCTION_LINES} lines"


def test_functions_take_few_parameters() -> None:
    wrong = []
    for path, node in nodes(Function):
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > MAX_PARAMETERS and path not in MANY_PARAMETERS:
            wrong.append(f"{path}:{node.lineno} {node.name}: {count} parameters")
    assert not wrong, f"more than {MAX_PARAMETERS} parameters: give it a dataclass"


def test_only_the_terminal_prints() -> None:
    """Text from outside goes through `terminal.plain`, which a `print` or a console of rich's own would not do."""
    calls = [(path, node) for path, node in nodes(ast.Call) if isinstance(node.func, ast.Name)]
    wrong = [f"{path}:{node.lineno}" for path, node in calls if node.func.id == "print"]
    wrong += [f"{path}:{line}" for path, line, name in imports() if "rich.console" in name and room(path) != "terminal"]
    assert not wrong


def test_input_is_not_checked_by_assert() -> None:
    wrong = [f"{path}:{node.lineno}" for path, node in nodes(ast.Assert)]
    assert not wrong, "raise twinsign.errors.InputError, which says what was found and wanted"


def public_definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    """Public functions and classes, and the public methods of public classes that override nothing."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            if not any(ast.unparse(decorator).endswith(("override", ".setter")) for decorator in node.decorator_list):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


def test_everything_public_says_what_it_is() -> None:
    wrong = [str(path) for path, tree in TREES.items() if ast.get_docstring(tree) is None]
    for path, tree in TREES.items():
        missing = (node for node in public_definitions(tree.body) if ast.get_docstring(node) is None)
        wrong += [f"{path}:{node.lineno} {node.name}" for node in missing]
    assert not wrong, "no docstring"
