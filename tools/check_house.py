"""The house rules that a syntax tree can show: floors, circles, private names, hands that only pass on, and sizes.

Prints them, and fails on the first four.

    .venv/bin/python tools/check_house.py

Nothing is imported: the modules of fashion_style/ are read as text, at any depth.
"""

import ast
import collections
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = "fashion_style"
FACES = ("", "panels.__init__")  # for notebooks, README and tests; exported code asks the room itself

# From the ground up, and on a floor from left to right: a module imports only what stands before it.
FLOORS = (
    "errors",
    "writing",
    "images",
    (
        "drawing.curves drawing.pieces drawing.tops drawing.shapes drawing.render drawing.sheets drawing.palettes"
        " drawing.tile drawing.woven drawing.knitted drawing.geometric drawing.natural drawing.motifs drawing.resist"
        " drawing.ornament drawing.engraved"
    ),
    "cloth.masks",
    "garments patterns",
    "reading.files reading.sources reading.pictures data",
    "content gram wasserstein generator critic",
    "features recogniser style_generator",
    "settings losses",
    "training",
    (
        "runs.history runs.devices runs.checkpoints runs.folder runs.stopping runs.loop runs.moment runs.session"
        " runs.forks runs.weights"
    ),
    "health scorecard comparison design",
    "studio.recipes studio.lookbook studio.evaluation",
    (
        "panels.parts panels.cells panels.panel panels.picture_choice panels.layer_view panels.gram_view"
        " panels.network_choice panels.feature panels.gram panels.design panels.training panels.__init__"
    ),
    (
        "commands.options commands.training_options commands.lab commands.demo commands.train commands.design"
        " commands.evaluate commands.parser"
    ),
    "cli",
)
ORDER = {room: place for place, room in enumerate(" ".join(FLOORS).split())}
STAND_ALONE = {"content", "gram", "wasserstein", "generator", "critic"}  # only `errors` of ours


def module_paths(package):
    """{dotted name without the package: path} of every module below a package folder, at any depth; wings' empty
    `__init__`s left out.
    """
    paths = {}
    for path in sorted(pathlib.Path(package).rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts != ("_modidx",) and (
            parts[-1] != "__init__" or (len(parts) > 1 and path.read_text(encoding="utf-8").strip())
        ):
            paths[".".join(parts)] = path
    return paths


def parse_package(package):
    """{dotted name: syntax tree} of every module of a package folder."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in module_paths(package).items()}


def absolute(module, level, written):
    """The dotted name below the package that an import in `module` means, or None for a foreign one: ("panels.gram", 2,
    "images") -> "images".
    """
    parts = (written or "").split(".") if written else []
    if level == 0:
        return ".".join(parts[1:]) if parts[:1] == [PACKAGE] else None
    return ".".join(module.split(".")[:-level] + parts)


def imports_of(module, tree, known):
    """(room, name or None) for everything of ours that a tree imports anywhere, also inside functions; None: the room
    itself.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    yield alias.name[len(PACKAGE) + 1 :], None
        elif isinstance(node, ast.ImportFrom):
            target = absolute(module, node.level, node.module)
            if target is None:
                continue
            for alias in node.names:
                inner = f"{target}.{alias.name}".strip(".")
                if inner in known:
                    yield inner, None
                else:
                    yield target if target in known or not target else f"{target}.__init__", alias.name


def defined(tree):
    """Names that a module itself makes at its top level."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names |= {
                part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
    return names


def circles(arrows):
    """Rooms that can be reached from themselves along `arrows`, {room: rooms it imports}."""
    found = []
    for start in arrows:
        seen, pending = set(), list(arrows[start])
        while pending:
            room = pending.pop()
            if room not in seen:
                seen.add(room)
                pending += arrows.get(room, ())
        found += [start] * (start in seen)
    return found


def broken_rules(trees, order=ORDER, stand_alone=STAND_ALONE, faces=FACES):
    """{rule: [what breaks it, in words]} for {dotted name: tree}."""
    told = collections.defaultdict(list)
    arrows = {module: [] for module in trees}
    for module, tree in trees.items():
        if module not in order and module not in faces:
            told["rooms without a floor"].append(module)
        for room, name in imports_of(module, tree, trees):
            if room == "" and name in (None, "__version__"):
                continue
            arrows[module].append(room)
            words = f"{module} takes {name or 'the room'} of {room or 'the face'}"
            if module != "panels.__init__" and room in faces or room not in trees:
                told["names that are only handed on"].append(words)
                continue
            if order.get(room, len(order)) >= order.get(module, -1):
                told["upward imports"].append(words)
            if module in stand_alone and room != "errors":
                told["upward imports"].append(f"{words}, and must stand alone")
            if name and name.startswith("_"):
                told["private names taken"].append(words)
            if name and name not in defined(trees[room]):
                told["names that are only handed on"].append(words)
    told["circles"] = circles(arrows)
    return told


def sizes(package):
    """Lines of the longest module and of the median one, lines over 120 characters, functions over 30 lines."""
    texts = {name: path.read_text(encoding="utf-8") for name, path in module_paths(package).items()}
    lines = {name: len(text.splitlines()) for name, text in texts.items()}
    longest = max(lines, key=lines.get)
    functions = [
        node for text in texts.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
    ]
    return {
        f"lines of the longest module ({longest})": lines[longest],
        "lines of the median module": int(statistics.median(lines.values())),
        "lines over 120 characters": sum(len(line) > 120 for text in texts.values() for line in text.splitlines()),
        "functions over 30 lines": sum(node.end_lineno - node.lineno >= 30 for node in functions),
    }


def main():
    """Prints every figure; returns 1 if a rule is broken."""
    package = ROOT / PACKAGE
    told = broken_rules(parse_package(package))
    for rule in (
        "circles",
        "upward imports",
        "private names taken",
        "names that are only handed on",
        "rooms without a floor",
    ):
        print(f"{rule}: {len(told[rule])}", *told[rule], sep="\n    ")
    for what, figure in sizes(package).items():
        print(f"{what}: {figure}")
    return int(any(told.values()))


if __name__ == "__main__":
    sys.exit(main())
