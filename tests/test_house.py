"""The house rules of the project, checked over notebooks and syntax trees (nothing is imported)."""

import ast
import pathlib
import re
import sys

import nbformat
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import check_house
import make_readme
import measured

NOTEBOOKS = sorted(path for path in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
NOTEBOOK_BYTES, ALL_NOTEBOOKS_BYTES = 300_000, 8_000_000
KERAS_METHODS = ("build", "call", "compute_output_shape", "get_config")  # Keras says what they do


def read(path):
    return nbformat.read(path, as_version=4)


def default_exp(notebook):
    """The module a notebook exports to, or None."""
    found = re.search(r"^#\|\s*default_exp\s+(\S+)", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    return found and found[1]


def module_of(path, folder=ROOT / "nbs"):
    """The module that a notebook must export to: 08_gram.ipynb -> gram, panels/gram.ipynb -> panels.gram,
    panels/panels.ipynb -> panels.__init__.
    """
    *wing, name = path.relative_to(folder).with_suffix("").parts
    name = re.sub(r"^\d\d_", "", name) if not wing else "__init__" if wing == [name] else name
    return ".".join([*wing, name])


MODULES = check_house.module_paths(ROOT / "fashion_style")
ROOMS = [path for path in NOTEBOOKS if path.parent.name != "tutorials" and path.stem != "index"]


def parse(module):
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def functions_and_classes(tree):
    """(dotted name, node) of everything public that a reader can call or make, methods included."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{node.name}.{child.name}", child) for child in node.body if isinstance(child, kinds))


def headings(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.findall(r"^(#+ .*\S)\s*$", text, re.MULTILINE)


# The helpers can see what they look for -------------------------------------------------------------------------------
def test_every_way_to_import_a_room_is_seen():
    source = """
import fashion_style.one
from fashion_style.two import something
from fashion_style import three, __version__
from .four import something
from . import five
from ..wing.six import something
def lazy():
    from ..seven import something
import numpy
from tensorflow.keras import layers
"""
    known = {"one", "two", "three", "wing.four", "wing.five", "wing.six", "seven"}
    found = {room for room, _ in check_house.imports_of("wing.here", ast.parse(source), known)}
    assert found - {"", "__init__"} == known


def planted(tmp_path, **sources):
    """Trees of a package with these modules; "wing__room" lies in a folder."""
    (tmp_path / "wing").mkdir()
    for name, source in sources.items():
        (tmp_path / (name.replace("__", "/") + ".py")).write_text(source)
    return check_house.parse_package(tmp_path)


@pytest.mark.parametrize(
    "rule, sources",
    [
        ("upward imports", dict(low="from .wing.room import thing", wing__room="thing = 1")),
        (
            "upward imports",
            dict(low="thing = 1", wing__room="def later():\n    from .above import other", wing__above="other = 1"),
        ),
        (
            "circles",
            dict(low="from .wing.room import thing\nother = 1", wing__room="from ..low import other\nthing = 1"),
        ),
        ("private names taken", dict(low="_thing = 1", wing__room="from ..low import _thing")),
        (
            "names that are only handed on",
            dict(low="thing = 1", wing__room="from ..low import thing", wing__above="from .room import thing"),
        ),
        ("rooms without a floor", dict(low="", wing__strange="thing = 1")),
    ],
)
def test_a_planted_module_in_a_folder_breaks_a_rule(tmp_path, rule, sources):
    order = {"low": 0, "wing.room": 1, "wing.above": 2}
    assert check_house.broken_rules(planted(tmp_path, **sources), order)[rule]


def test_a_planted_house_without_faults_breaks_none(tmp_path):
    trees = planted(tmp_path, low="thing = 1", wing__room="from ..low import thing\nother = thing")
    assert not any(check_house.broken_rules(trees, {"low": 0, "wing.room": 1}).values())


# Sizes, docstrings and types ----------------------------------------------------------------------------------------
SIZE_RULES = {
    "long module": f"modules over {check_house.MODULE_LINES} lines",
    "median": f"median module over {check_house.MEDIAN_LINES} lines",
    "long line": f"lines over {check_house.LINE_LENGTH} characters",
    "long function": f"functions over {check_house.FUNCTION_LINES} lines without a reason",
    "dialect": "docstrings in another dialect",
    "types": "public functions without types",
}


def written(body, doc="Says what.", head="def shown(value: int) -> int:"):
    """A module's source: its docstring, nbdev's `__all__`, and one function of `body` lines."""
    lines = [f'    """{doc}"""', *(["    value += 1"] * (body - 1)), "    return value"]
    return "\n".join(['"""A room."""', "__all__ = ['shown']", head, *lines]) + "\n"


def broken(*texts):
    """The short names of the rules of size that these modules break together."""
    told = check_house.broken_sizes({f"wing.room{number}": text for number, text in enumerate(texts)})
    assert set(told) == set(SIZE_RULES.values())
    return {short for short, rule in SIZE_RULES.items() if told[rule]}


def test_a_planted_module_of_good_size_breaks_no_rule():
    assert broken(written(check_house.FUNCTION_LINES)) == set()


def test_a_module_may_have_so_many_lines_and_no_more():
    most = "value = 1\n" * check_house.MODULE_LINES
    short = "value = 1\n"
    assert broken(most, short, short) == set()
    assert broken(most + "value = 1\n", short, short) == {"long module"}


def test_the_median_module_may_have_so_many_lines_and_no_more():
    middle = "value = 1\n" * check_house.MEDIAN_LINES
    short = "value = 1\n"
    assert broken(short, middle, middle + middle[:100]) == set()
    assert broken(short, middle + "value = 1\n", middle + middle[:100]) == {"median"}


@pytest.mark.parametrize("indent", [0, 4])
def test_a_line_may_have_so_many_characters_and_no_more(indent):
    head = '"""A room."""\n__all__ = [' + ", ".join(["'name'"] * 40) + "]\nif True:\n"
    line = " " * indent + "value = 1 + " + "2" * (check_house.LINE_LENGTH - indent - len("value = 1 + "))
    before = head if indent else head.replace("if True:\n", "")
    assert check_house.long_lines("room", before + line) == []
    number = len(before.splitlines()) + 1
    assert check_house.long_lines("room", before + line + "2") == [
        f"room:{number}: {check_house.LINE_LENGTH + 1} characters"
    ]


def test_a_line_that_nobody_can_break_may_be_long():
    address = "https://example.org/" + "a" * check_house.LINE_LENGTH
    source = f'"""A room."""\n__all__ = []\n# {address}\n'
    assert check_house.long_lines("room", source) == []
    assert len(check_house.long_lines("room", source.replace("# ", "# see "))) == 1


def test_a_function_over_so_many_lines_says_why():
    over = check_house.FUNCTION_LINES + 1
    tree = ast.parse(written(over))
    assert check_house.unexplained_functions("room", tree) == [f"room.shown: {over} lines"]
    assert check_house.unexplained_functions("room", ast.parse(written(check_house.FUNCTION_LINES))) == []
    reason = ast.parse(written(over, f"Says what.\n\n    {check_house.LONG_BECAUSE} the steps share it.\n    "))
    assert check_house.unexplained_functions("room", reason) == []


def test_a_method_and_a_function_inside_are_counted_too():
    inner = "".join("        value += 1\n" for _ in range(check_house.FUNCTION_LINES))
    for holder in ("class Room:", "def outer():"):
        source = f"{holder}\n    def shown(value):\n{inner}        return value\n"
        assert any("room.shown" in words for words in check_house.unexplained_functions("room", ast.parse(source)))


GOOD_DOCSTRING = """Says what.

    More of it.

    Args:
        value: a number, whose words
            go on here.
        first, second: two more.
        *rest: all others.

    Returns:
        A number.

    Raises:
        ValueError: for no number.

    Source:
        A paper.
    """
DOCUMENTED = "def shown(value: int, first: int, second: int, *rest: int) -> int:"


@pytest.mark.parametrize(
    "docstring, fault",
    [
        (GOOD_DOCSTRING, None),
        ("Says what.", None),
        (GOOD_DOCSTRING.replace("    Args:\n        value: a", "    Args: value: a"), "Args: not on a line of its own"),
        ("Says what.\n\n    Source: a paper.\n    ", "Source: not on a line of its own"),
        (
            "Says what.\n\n    Raises:\n        ValueError: never.\n\n    Returns:\n        It.\n    ",
            "sections in the order Raises, Returns",
        ),
        ("Says what.\n    Returns:\n        It.\n    ", "no blank line before the sections"),
        ("Says what.\n\n    Args:\n        other: a number.\n    ", "Args name other, which is no parameter"),
        ("Says what.\n\n    Args:\n        a number.\n    ", "Args entry without a name: a number."),
    ],
)
def test_docstrings_keep_one_dialect(docstring, fault):
    told = check_house.broken_dialect("room", written(1, docstring, DOCUMENTED))
    assert told == ([f"room.shown: {fault}"] if fault else [])


@pytest.mark.parametrize("quote, told", [('"""', []), ("'''", ["room.shown"]), ('"', ["room.shown"]), ('r"""', [])])
def test_docstrings_stand_in_three_double_quotes(quote, told):
    source = written(1).replace('"""Says what."""', f"{quote}Says what.{quote.lstrip('r')}")
    assert [words.split(":")[0] for words in check_house.broken_dialect("room", source)] == told


def test_a_docstring_of_a_class_names_its_fields_and_its_parameters():
    source = '''"""A room."""
@dataclass
class Fields:
    """Says what.

    Attributes:
        size: a number.
    """

    size: int


class Made:
    """Says what.

    Args:
        size: a number.
    """

    def __init__(self, size: int) -> None:
        self.size = size
'''
    assert check_house.broken_dialect("room", source) == []
    wrong = source.replace("Args:\n        size: a", "Args:\n        width: a")
    assert check_house.broken_dialect("room", wrong) == ["room.Made: Args name width, which is no parameter"]


@pytest.mark.parametrize(
    "source, told",
    [
        ("def shown(value: int) -> int:\n    return value", []),
        ("def shown(value) -> int:\n    return value", ["room.shown: no type for value"]),
        ("def shown(value: int):\n    return value", ["room.shown: no type for what it returns"]),
        ("def shown(value: int, *, width=1) -> int:\n    return value", ["room.shown: no type for width"]),
        ("def _hidden(value):\n    return value", []),
        ("class Shown:\n    def method(self, value):\n        pass", ["room.method: no type for value"]),
        ("class Shown:\n    def __init__(self, value):\n        pass", ["room.__init__: no type for value"]),
        ("class Shown:\n    def __init__(self, value: int):\n        pass", []),
        ("class Shown:\n    def _method(self, value):\n        pass", []),
        ("class _Hidden:\n    def method(self, value):\n        pass", []),
    ],
)
def test_public_functions_have_types(source, told):
    assert check_house.unannotated("room", ast.parse(source)) == told


def test_every_rule_of_docstrings_and_types_is_told_by_the_rules_of_size():
    assert broken(written(1, head="def shown(value):")) == {"types"}
    assert broken(written(1).replace('"""Says what."""', '"Says what."')) == {"dialect"}
    assert broken(written(check_house.FUNCTION_LINES + 1)) == {"long function"}
    assert broken(written(1) + "# " + "so long " * 20) == {"long line"}


# Rooms ----------------------------------------------------------------------------------------------------------------
def test_every_module_has_a_notebook_and_every_notebook_its_own_module():
    exports = [default_exp(read(path)) for path in ROOMS]
    assert len(exports) == len(set(exports)), exports
    assert exports == [module_of(path) for path in ROOMS]
    assert set(MODULES) == set(exports) == set(check_house.ORDER)


@pytest.mark.parametrize(
    "name, module",
    [
        ("08_gram", "gram"),
        ("cli", "cli"),
        ("panels/gram", "panels.gram"),
        ("panels/panels", "panels.__init__"),
        ("runs/2_loop", "runs.2_loop"),
    ],
)
def test_a_notebook_in_a_folder_has_its_own_module(tmp_path, name, module):
    assert module_of(tmp_path / f"{name}.ipynb", tmp_path) == module


def test_the_house_keeps_its_floors():
    told = check_house.broken_rules(check_house.parse_package(ROOT / "fashion_style"))
    assert not any(told.values()), {rule: words for rule, words in told.items() if words}


def test_the_house_keeps_its_sizes_docstrings_and_types():
    told = check_house.broken_sizes({module: path.read_text(encoding="utf-8") for module, path in MODULES.items()})
    assert not any(told.values()), {rule: words for rule, words in told.items() if words}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_is_documented(module):
    tree = parse(module)
    assert ast.get_docstring(tree), f"{module}: the notebook's first cell lacks its one-line '> summary'"
    silent = [
        name
        for name, node in functions_and_classes(tree)
        if not any(part.startswith("_") for part in name.split("."))
        and name.split(".")[-1] not in KERAS_METHODS
        and not ast.get_docstring(node)
    ]
    assert not silent, f"{module}: no docstring: {silent}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_star_import_and_no_global_random_state(module):
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"line {node.lineno}: star import"
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            assert not re.match(
                r"(np|numpy)\.random\.(seed|rand|randn|randint|uniform|normal|choice|shuffle)$", name
            ), name
            assert not re.match(r"(tf|tensorflow)\.random\.(set_seed|uniform|normal|shuffle)$", name), name


# Notebooks ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "nbs").as_posix())
def test_notebook_is_clean(path):
    notebook = read(path)
    assert path.stat().st_size <= NOTEBOOK_BYTES, f"{path.stat().st_size} bytes, at most {NOTEBOOK_BYTES}"
    assert "widgets" not in notebook.metadata, "widget state saved: run `make export`"
    identifiers = [cell.get("id") for cell in notebook.cells]
    assert all(identifiers) and len(set(identifiers)) == len(identifiers), (
        "cells without their own id: run `make export`"
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.execution_count is None, "execution counts saved: run `make export`"
            for output in cell.outputs:
                assert output.output_type != "error", f"saved error: {output.get('ename')}"
                assert output.get("name") != "stderr", f"saved warning: {output.get('text', '')[:200]}"
                assert not any("widget" in kind for kind in output.get("data", {})), "saved widget view"


def shows_something(source):
    """Does a code cell surely print or show: a `print` or `display` outside `except` and `if`, or a last line that
    makes a picture?
    """
    lines = [line for line in source.splitlines() if not line.startswith(("%", "!", "#|"))]
    tree = ast.parse("\n".join(lines))
    pending = [(node, True) for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    while pending:
        node, sure = pending.pop()
        if sure and isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("print", "display"):
            return True
        sure = sure and not isinstance(node, (ast.ExceptHandler, ast.If, ast.FunctionDef, ast.Lambda, ast.ClassDef))
        pending += [(child, sure) for child in ast.iter_child_nodes(node)]
    last = tree.body[-1] if tree.body else None
    return (
        isinstance(last, ast.Expr)
        and re.match(
            r"(drawn\()?(show_pictures|panel_figure|fig_\w+|Image\.fromarray|strip|sheet|figure)\b", ast.unparse(last)
        )
        is not None
    )


def test_cells_that_show_something_are_recognised():
    for source in (
        "x = 1\nprint(x)",
        "for x in y:\n    print(x)",
        "show_pictures(a)",
        "Image.fromarray(a).quantize(8)",
        "%matplotlib inline\nfigure",
    ):
        assert shows_something(source), source
    for source in (
        "try:\n    f()\nexcept E as e:\n    print(e)",
        "def f(): print(1)",
        "x = show_pictures(a)",
        "",
        "if a:\n    print(a)",
    ):
        assert not shows_something(source), source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "nbs").as_posix())
def test_cells_that_show_something_keep_their_outputs(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    empty = [cell.source[:60] for cell in cells if not cell.outputs and shows_something(cell.source)]
    assert not empty, f"run the notebook, these cells have no outputs: {empty}"
    twice = [
        cell.source[-60:]
        for cell in cells
        for output in cell.outputs
        if {"image/png", "image/jpeg"} <= set(output.get("data", {}))
    ]
    assert not twice, f"stored as PNG and as JPEG, end the cell with .quantize(...): {twice}"


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.relative_to(ROOT / "nbs").as_posix())
def test_room_has_its_shape(path):
    notebook = read(path)
    assert default_exp(notebook), "a room exports a module"
    assert re.match(r"# .+\n+> .+", notebook.cells[0].source), "first cell: '# Title' and a one-line '> summary'"
    assert headings(notebook)[-2:] == ["## Try it", "## Summary"], headings(notebook)[-3:]


def test_all_notebooks_together_are_small():
    assert sum(path.stat().st_size for path in NOTEBOOKS) <= ALL_NOTEBOOKS_BYTES


def test_no_path_of_one_machine():
    pattern = re.compile(r"/(home|root|Users|work|mnt|tmp)/[\w.-]+")
    texts = list(MODULES.values()) + NOTEBOOKS + [ROOT / "README.md"]
    found = {path.name: pattern.search(path.read_text(encoding="utf-8")) for path in texts}
    assert not {name: match[0] for name, match in found.items() if match}


def test_tables_in_the_index_are_up_to_date():
    index = read(ROOT / "nbs" / "index.ipynb")
    sources = [cell.source for cell in index.cells]
    titles = make_readme.MAP_TITLE, make_readme.MEASURED_TITLE
    assert [sum(source.startswith(title) for source in sources) for title in titles] == [1, 1]
    assert [cell.source for cell in make_readme.with_tables(index).cells] == sources, "run `make export`"


# README ---------------------------------------------------------------------------------------------------------------
def test_readme_is_made_from_index():
    text, figures = make_readme.readme_of(ROOT / "nbs" / "index.ipynb")
    assert (ROOT / "README.md").read_text(encoding="utf-8") == text, "run `make export`"
    old = [name for name, data in figures.items() if (ROOT / "nbs" / name).read_bytes() != data]
    assert not old, f"run `make export`: {old}"


TWO_TABLES = """First, in seconds:

| row | kind | time | share |
| --- | --- | --- | --- |
| ours | small | 1.25 (1.1 to 1.4) | 3% |
| ours | large | 1,250 (900 to 1,400) | 4% |

Second:

| row | time |
| --- | --- |
| ours | 7 |
"""


def test_a_measured_figure_is_found_by_its_place():
    assert measured.figure(TWO_TABLES, "ours", "time") == "1.25"
    assert measured.figure(TWO_TABLES, "ours | large", "time") == "1,250"
    assert measured.figure(TWO_TABLES, "ours | large", "time", whole=True) == "1,250 (900 to 1,400)"
    assert measured.figure(TWO_TABLES, "ours", "time", "Second") == "7"
    for place in (("theirs", "time"), ("ours", "tim"), ("ours", "share", "Second"), ("ours", "time", "Third")):
        with pytest.raises(LookupError, match="measure again"):
            measured.figure(TWO_TABLES, *place)


def test_speeds_in_the_training_chapter_are_those_measured():
    """Row by row, so that two figures that were swapped are found."""
    speed = (ROOT / measured.RESULTS / "speed.md").read_text(encoding="utf-8")
    told = next(
        cell.source
        for cell in read(ROOT / "nbs" / "17_training.ipynb").cells
        if "benchmarks/results/speed.md" in cell.source
    )
    rows = dict(re.findall(r"^\| (.+?) \| ([\d.]+) \|$", told, re.MULTILINE))
    words = {
        "traced": "article's loop traced / article's loop",
        "one product for the slope": "ours with targets forgotten / article's loop",
        "the targets of pictures that come back": "ours / article's loop, loss layers to block3_conv1",
    }
    for word, row in words.items():
        (answer,) = (figure for text, figure in rows.items() if word in text)
        assert answer == measured.figure(speed, row, measured.RATIO), word
    pictures, pixels = re.search(r"sees ([\d.]+) times as many pictures a second \(([\d.]+) times", told).groups()
    assert pictures == measured.figure(speed, "recipe real / article's loop, pictures", measured.RATIO)
    assert pixels == measured.figure(speed, "recipe real / article's loop, pixels", measured.RATIO)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


ADDRESS = re.compile(re.escape(make_readme.repository_address("")).replace("/blob/", "/(?:blob|raw)/") + "(.+)")


def links_of(text):
    """Targets of all links and pictures of a Markdown text, outside code."""
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)[^)]*\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)


def slug(heading):
    """The anchor of a heading, as the pages of a repository make it."""
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def markdown_of(path):
    """The Markdown text of a notebook or a Markdown file."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def leads_somewhere(path, anchor):
    """Whether a file is there, and the heading in it that is meant."""
    if not anchor or not path.is_file():
        return path.exists()
    return anchor in map(slug, re.findall(r"^#+ .+", markdown_of(path), re.MULTILINE))


def test_an_anchor_is_that_of_a_heading(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One page\n\n## What it is: `this`, then that\n")
    assert leads_somewhere(page, "") and leads_somewhere(page, "what-it-is-this-then-that")
    assert not leads_somewhere(page, "what-else") and not leads_somewhere(tmp_path / "none.md", "")


def test_relative_links_become_addresses_of_the_repository(tmp_path):
    (tmp_path / "settings.ini").write_text("[DEFAULT]\ngit_url = https://example.org/us/ours/\nbranch = trunk\n")
    text = (
        '![a sheet](tutorials/sheet.jpg) [gram](08_gram.ipynb#try-it), [card](../CARD.md); <img src="a.png">'
        " [there](https://example.org/x) [here](#install) [mail](mailto:a@example.org)"
    )
    assert make_readme.with_addresses(text, root=tmp_path) == (
        "![a sheet](https://example.org/us/ours/raw/trunk/nbs/tutorials/sheet.jpg)"
        " [gram](https://example.org/us/ours/blob/trunk/nbs/08_gram.ipynb#try-it),"
        " [card](https://example.org/us/ours/blob/trunk/CARD.md);"
        ' <img src="https://example.org/us/ours/raw/trunk/nbs/a.png">'
        " [there](https://example.org/x) [here](#install) [mail](mailto:a@example.org)"
    )


def test_readme_links_lead_to_files_of_the_tree_wherever_readme_is_read():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = links_of(text)
    ours = [ADDRESS.fullmatch(link)[1] for link in links if ADDRESS.fullmatch(link)]
    assert len(ours) > 100 and not [link for link in links if not re.match(r"https?:|mailto:|#", link)]
    dead = [link for link in ours if not leads_somewhere(ROOT / link.partition("#")[0], link.partition("#")[2])]
    dead += [link for link in links if link[0] == "#" and not leads_somewhere(ROOT / "README.md", link[1:])]
    assert not dead, dead
    wrong = [link for link in links if ("/raw/" in link) != link.endswith(make_readme.PICTURES)]
    assert not wrong, wrong


PAGES = [*NOTEBOOKS, *ROOT.glob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_pages_are_relative_and_lead_somewhere(path):
    links = [link for link in links_of(markdown_of(path)) if not re.match(r"https?:|mailto:|attachment:|data:", link)]
    dead = []
    for link in links:
        name, _, anchor = link.partition("#")
        if not leads_somewhere(path.parent / name if name else path, anchor):
            dead.append(link)
    assert not dead, dead
    if path.suffix == ".ipynb":
        assert not [link for link in links_of(markdown_of(path)) if ADDRESS.match(link)], "relative links, please"


def test_tensorflow_s_greeting_is_kept_back_in_every_notebook():
    """The first import of ours stands before the first of TensorFlow, or Keras, which imports it."""
    early = {}
    for path in NOTEBOOKS:
        source = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
        found = re.findall(r"^\s*(?:import|from) (tensorflow|keras|fashion_style)\b", source, re.MULTILINE)
        if found and found[0] != "fashion_style":
            early[path.name] = found[0]
    assert not early, f"imported before anything of fashion_style: {early}"
