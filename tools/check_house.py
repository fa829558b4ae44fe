"""The house rules that a syntax tree can show: floors, circles, private names, hands that only pass on,
sizes, docstrings and types. Prints what breaks each of them, and fails if anything does.

    .venv/bin/python tools/check_house.py

Nothing is imported: the modules of fashion_style/ are read as text, at any depth.
"""

import ast
import collections
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = "fashion_style"
FACES = ("", "panels.__init__")  # for notebooks, README and tests; exported code asks the room itself

# From the ground up, and on a floor from left to right: a module imports only what stands before it.
FLOORS = (
    "errors guards.received guards.quiet",
    "runs.folder",
    "writing bounded_files guards.bounded_arrays guards.tables",
    (
        "decoding.depth decoding.tiff decoding.layers decoding.profiles decoding.named_colours"
        " decoding.drawings decoding.formats"
        " decoding.pixels decoding.encoding"
    ),
    "images",
    (
        "drawing.curves drawing.pieces drawing.skirts_and_legs drawing.tops drawing.shapes drawing.render"
        " drawing.sheets drawing.palettes drawing.tile drawing.woven drawing.knitted drawing.geometric drawing.natural"
        " drawing.motifs drawing.resist drawing.ornament drawing.engraved"
    ),
    (
        "cloth.overlap cloth.graph_cut cloth.strokes cloth.openings cloth.drawings cloth.segmenter cloth.refining"
        " cloth.doubts cloth.masks cloth.mending cloth.parts cloth.period"
        " cloth.seams cloth.repeats"
        " cloth.underarms cloth.sleeves cloth.legs cloth.limbs cloth.frames cloth.fields cloth.layout"
    ),
    "cloth.transparency cloth.forms",
    "studio.wishes cloth.laying",
    "garments patterns",
    (
        "reading.files reading.sources reading.run_sources reading.picture_file reading.pictures data"
        " reading.pairs reading.checked_pairs"
    ),
    "networks.choices networks.heads",
    "content gram wasserstein generator critic",
    "networks.constraints networks.probe",
    "features recogniser style_generator",
    (
        "networks.recogniser_training networks.large_prints networks.wardrobe networks.garment_scenes"
        " networks.segmenter_training"
    ),
    "settings networks.fold_losses networks.truth_losses truth losses",
    "runs.changes runs.devices runs.networks runs.gradients",
    "training",
    (
        "runs.lessons runs.pairings runs.steps runs.events runs.history runs.curves runs.arrays runs.state_shapes"
        " runs.manifests"
        " runs.checkpoints runs.plan runs.opening"
        " runs.stopping"
        " runs.keeper runs.loop runs.moment runs.session runs.forks runs.weights runs.tensorboard"
    ),
    "health runs.dashboard scorecard scoring.inside comparison scoring.inside_table design",
    (
        "studio.ways studio.recipes studio.lookbook studio.evaluation studio.proposals studio.blind studio.rivals"
        " studio.pairs"
    ),
    (
        "panels.worker panels.css panels.pictures panels.parts panels.samples panels.cells panels.panel"
        " panels.picture_choice panels.layer_view panels.gram_view panels.network_choice panels.layer_widgets"
        " panels.feature panels.gram_widgets panels.texture panels.gram panels.live_design panels.tray panels.design"
        " panels.dials panels.snapshots panels.training panels.__init__"
    ),
    (
        "commands.options commands.training_options commands.lab commands.demo commands.train commands.wish_options"
        " commands.design"
        " commands.reproduce commands.evaluate commands.compare commands.parser"
    ),
    "cli",
)
ORDER = {room: place for place, room in enumerate(" ".join(FLOORS).split())}
RULES = (
    "circles",
    "upward imports",
    "private names taken",
    "names that are only handed on",
    "rooms without a floor",
)
MODULE_LINES, MEDIAN_LINES, LINE_LENGTH, FUNCTION_LINES = 350, 230, 120, 30
LONG_BECAUSE = "Long because"  # how a docstring begins to say why its function has more than 30 lines
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Source")
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


def docstring_nodes(tree):
    """(name, node) of the module, its classes and all functions, at any depth."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield getattr(node, "name", "the module"), node


def parameters_of(node):
    """Parameters of a function, or of a class's `__init__` and its annotated fields."""
    if isinstance(node, ast.ClassDef):
        fields = {child.target.id for child in node.body if isinstance(child, ast.AnnAssign)}
        made = [child for child in node.body if isinstance(child, ast.FunctionDef) and child.name == "__init__"]
        return fields.union(*map(parameters_of, made)) if fields or made else None
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {argument.arg for argument in every if argument}


def docstring_faults(node, text):
    """What a docstring has against the one dialect; `text` is as it stands between its quotes, dedented."""
    lines = text.splitlines()
    heads = [line[:-1] for line in lines if line.rstrip(":") in SECTIONS and line.endswith(":")]
    inline = [line for line in lines if line.split(":")[0] in SECTIONS and line.rstrip(":") not in SECTIONS]
    faults = [f"{line.split(':')[0]}: not on a line of its own" for line in inline]
    if heads != sorted(heads, key=SECTIONS.index):
        faults.append(f"sections in the order {', '.join(heads)}")
    if len(lines) > 1 and lines[1].strip() and heads:
        faults.append("no blank line before the sections")
    known = parameters_of(node) if not isinstance(node, ast.Module) else None
    section = None
    for line in lines:
        section = line.rstrip(":") if line.rstrip(":") in SECTIONS else section
        if section == "Args" and known is not None and re.match(r" {4}\S", line):
            named = re.match(r"    ([\w*`, ]+):", line)
            if not named:
                faults.append(f"Args entry without a name: {line.strip()[:40]}")
            else:
                told = {name.strip(" *`") for name in named[1].split(",")}
                faults += [f"Args name {name}, which is no parameter" for name in sorted(told - known)]
    return faults


def broken_dialect(module, text):
    """[words] for every docstring of a module's source that is not in the one dialect."""
    tree, told = ast.parse(text), []
    for name, node in docstring_nodes(tree):
        docstring = ast.get_docstring(node)
        if docstring is None:
            continue
        source = ast.get_source_segment(text, node.body[0])
        if not re.match(r'[rR]?"""', source):
            told.append(f"{module}.{name}: a docstring without three double quotes")
        told += [f"{module}.{name}: {fault}" for fault in docstring_faults(node, docstring)]
    return told


def unannotated(module, tree):
    """[words] for every public function or method whose parameters or result have no type."""
    told = []
    for holder in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")]:
        for node in holder.body:
            made = isinstance(node, ast.FunctionDef) and (node.name[0] != "_" or node.name == "__init__")
            if not made or any(name.startswith("_") for name in (getattr(holder, "name", "x"),)):
                continue
            given = node.args
            every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            bare = [
                argument.arg for argument in every if not argument.annotation and argument.arg not in ("self", "cls")
            ]
            if bare or not node.returns and node.name != "__init__":
                told.append(f"{module}.{node.name}: no type for {', '.join(bare) or 'what it returns'}")
    return told


def body_lines(node):
    """Lines of a function's body, its docstring apart."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def unexplained_functions(module, tree):
    """[words] for every function of over 30 lines, signature and docstring apart, whose docstring does not say why."""
    return [
        f"{module}.{node.name}: {body_lines(node)} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and body_lines(node) > FUNCTION_LINES
        and LONG_BECAUSE not in (ast.get_docstring(node) or "")
    ]


def long_lines(module, text):
    """[words] for every line over 120 characters that could be broken: not `__all__`, which nbdev writes."""
    written_by_nbdev = ast.parse(text).body[1:2]
    skipped = {line for node in written_by_nbdev for line in range(node.lineno, node.end_lineno + 1)}
    return [
        f"{module}:{number}: {len(line)} characters"
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > LINE_LENGTH and number not in skipped and not re.fullmatch(r"\s*#?\s*\S+", line)
    ]


def broken_sizes(texts):
    """{rule: [what breaks it, in words]} for {dotted name: source text}."""
    trees = {module: ast.parse(text) for module, text in texts.items()}
    lines = {module: len(text.splitlines()) for module, text in texts.items()}
    median = int(statistics.median(lines.values()))
    return {
        f"modules over {MODULE_LINES} lines": [f"{m}: {n} lines" for m, n in lines.items() if n > MODULE_LINES],
        f"median module over {MEDIAN_LINES} lines": [f"{median} lines"] * (median > MEDIAN_LINES),
        f"lines over {LINE_LENGTH} characters": [w for m, text in texts.items() for w in long_lines(m, text)],
        f"functions over {FUNCTION_LINES} lines without a reason": [
            words for module, tree in trees.items() for words in unexplained_functions(module, tree)
        ],
        "docstrings in another dialect": [w for module, text in texts.items() for w in broken_dialect(module, text)],
        "public functions without types": [w for module, tree in trees.items() for w in unannotated(module, tree)],
    }


def sizes(texts):
    """{what: figure} to print beside the rules, for {dotted name: source text}."""
    lines = {name: len(text.splitlines()) for name, text in texts.items()}
    functions = [
        node for text in texts.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
    ]
    longest = max(lines, key=lines.get)
    return {
        "modules": len(lines),
        f"lines of the longest module ({longest})": lines[longest],
        "lines of the median module": int(statistics.median(lines.values())),
        f"functions over {FUNCTION_LINES} lines, with the reason in their docstring": sum(
            body_lines(node) > FUNCTION_LINES and LONG_BECAUSE in (ast.get_docstring(node) or "") for node in functions
        ),
    }


def main():
    """Prints every figure; returns 1 if a rule is broken."""
    package = ROOT / PACKAGE
    texts = {name: path.read_text(encoding="utf-8") for name, path in module_paths(package).items()}
    told = {rule: [] for rule in RULES}
    told.update(broken_rules(parse_package(package)))
    told.update(broken_sizes(texts))
    for rule, words in told.items():
        print(f"{rule}: {len(words)}", *words, sep="\n    ")
    for what, figure in sizes(texts).items():
        print(f"{what}: {figure}")
    return int(any(told.values()))


if __name__ == "__main__":
    sys.exit(main())
