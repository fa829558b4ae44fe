"""Valid files of every kind that a stranger may hand over, and a thousand ways to spoil them.

`build_bases(folder)` writes one small valid file of each kind; `spoil(kind, folder, random)` changes one of them.
Nothing here opens a file the way a user does: that is `fuzz_worker`.
"""

import copy
import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

# kind -> the file below the kind's folder that is spoilt
FILES = {
    "weights": "weights.npz",
    "extractor": "extractor.npz",
    "vgg19": "vgg19.h5",
    "manifest": "run/checkpoints/step-00000002/manifest.json",
    "state": "run/checkpoints/step-00000002/state.npz",
    "history": "run/history.csv",
    "diary": "run/events.jsonl",
    "fork": "run/checkpoints/step-00000002/manifest.json",
    "resume": "run/checkpoints/step-00000002/state.npz",
    "settings": "settings.json",
    "note": "run/pictures.json",
    "recipe": "design.png",
    "table": "book/designs.csv",
    "scorecard": "scorecard.csv",
    "course": "course/.fashion_style.json",
}
NETWORKS = ("weights", "extractor", "vgg19", "fork", "resume")  # to open them builds networks, which takes long
KINDS = [*FILES, *(kind for kind in FILES if kind not in NETWORKS)]  # in turn: the others come twice as often
TEXT = "\x1b[2J\x1b]0;owned\x07\u202e\r\n=HYPERLINK(1)\udcff"
EXTREME = (
    *(None, True, False, -1, 0, 1, -0.0, 0.5, 1e308, -1e308, 1e-320, 2**31, 2**63, -(2**63), 10**30, 10**400),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        "1",
        "nan",
        TEXT,
        "x" * 70_000,
        "../../etc/passwd",
        "a\0b",
        "\ud800",
    ),
    *([], {}, [[]], [1, "a", None], {"a": 1}, [0] * 3000, {"": {"": {}}}),
)
NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1",
    "0",
    "1e308",
    "9" * 400,
    "1_0",
    "0x10",
    "",
    "+",
    "=1+1",
    "1e-999",
    "\u0663",
)


# --- one small valid file of each kind ---
def build_bases(folder):
    """Write folder/KIND/... for every kind. Trains nothing."""
    from fashion_style.runs.checkpoints import save_checkpoint
    from fashion_style.runs.events import add_event
    from fashion_style.runs.history import HISTORY_FIELDS, History
    from fashion_style.runs.opening import open_run
    from fashion_style.runs.weights import export_generator
    from fashion_style.settings import TrainingSettings

    run, settings = (
        Path(folder, "base", "run"),
        TrainingSettings(
            size=16,
            batch=1,
            steps=4,
            width=1,
            augment=False,
            content_layer="block1_conv1",
            style_layers=("block1_conv1",),
        ),
    )
    trainer = open_run(run, settings)  # writes the checkpoint of step 0
    trainer.step.assign(2)
    save_checkpoint(trainer, run, score=0.5, held_out="some pictures")
    history = History(run, weights=settings.weights)
    for step in range(1, 9):
        history.append({name: 0.1 * step for name in HISTORY_FIELDS} | dict(step=step, skipped=0))
    history.close()
    for step in range(6):
        add_event(run, step, "resumed", f"Goes on at step {step} of 4.")
    (run / "pictures.json").write_text(json.dumps(dict(garments=["g"], styles=None, held_out=0.1, vgg_weights=None)))
    export_generator(run, Path(folder, "base", "weights.npz"))
    _copy_runs(folder, run)
    _write_weights(folder)
    _write_designs(folder, Path(folder, "base", "weights.npz"))


def _copy_runs(folder, run):
    """The run, once a kind that is a part of it."""
    import shutil

    for kind, name in FILES.items():
        if name.startswith("run/"):
            shutil.copytree(run, Path(folder, kind, "run"))
    for kind, source in (("settings", run / "settings.json"), ("weights", run.parent / "weights.npz")):
        Path(folder, kind).mkdir()
        shutil.copy(source, Path(folder, file_at(kind)))


def file_at(kind):
    """KIND/FILE."""
    return Path(kind, FILES[kind])


def _write_weights(folder):
    """One layer of each extractor."""
    import h5py

    from fashion_style.features import read_embedded_weights

    stored = read_embedded_weights()
    Path(folder, "extractor").mkdir()
    np.savez(
        Path(folder, file_at("extractor")),
        **{name: a for name, a in stored.items() if name.startswith("block1_conv1/")},
    )
    Path(folder, "vgg19").mkdir()
    with h5py.File(Path(folder, file_at("vgg19")), "w") as file:
        file["block1_conv1/kernel"] = np.full((3, 3, 3, 64), 0.01, "f4")
        file["block1_conv1/bias"] = np.zeros(64, "f4")


def _write_designs(folder, weights):
    """A design with its recipe, a lookbook, a scorecard and a copied course."""
    from fashion_style.commands.lab import copy_notebooks
    from fashion_style.comparison import ScorecardTable
    from fashion_style.design import load_designer
    from fashion_style.garments import draw_garment
    from fashion_style.images import save_picture
    from fashion_style.patterns import draw_pattern
    from fashion_style.studio.lookbook import make_lookbook
    from fashion_style.studio.recipes import dress, save_dressed

    designer = load_designer(weights)
    for kind in ("recipe", "table"):
        for place, picture in (
            ("garments", draw_garment("dress", 24, 4).picture),
            ("prints", draw_pattern("gingham", 16, 2)),
        ):
            Path(folder, kind, place).mkdir(parents=True)
            save_picture(picture, Path(folder, kind, place, "one.png"))
    garments, prints = (Path(folder, "recipe", place) for place in ("garments", "prints"))
    wishes = dict(weights=[1, 2], strength=0.5, motif_scale=0.5, keep_colours=False, lock=True, size=24)
    dressed = dress(designer, garments / "one.png", [prints / "one.png"] * 2, **wishes)
    save_dressed(dressed, Path(folder, file_at("recipe")))
    table = Path(folder, "table")
    make_lookbook(designer, table / "garments", table / "prints", table / "book")
    Path(folder, "scorecard").mkdir()
    values = np.arange(8.0).reshape(2, 2, 2) - 3
    scores = ScorecardTable("embedded", ("generator", "identity"), ("gram", "ssim"), values)
    Path(folder, file_at("scorecard")).write_text(scores.to_csv())
    Path(folder, "course", "wheel").mkdir(parents=True)
    Path(folder, "course", "wheel", "a.ipynb").write_text("{}")
    copy_notebooks(Path(folder, "course", "wheel"), Path(folder, file_at("course")).parent)


# --- spoiling bytes ---
def spoil_bytes(data, random):
    """Bits turned over, spans cut, doubled, exchanged or filled, the end missing: one to four of these."""
    data = bytearray(data)
    for _ in range(int(random.choice([1, 1, 2, 4]))):
        at, length = int(random.integers(0, len(data) + 1)), int(random.choice([1, 2, 4, 16, 200, 5000]))
        match int(random.integers(0, 8)):
            case 0 | 1:
                for place in random.integers(0, max(1, len(data)), int(random.integers(1, 9))):
                    data[place : place + 1] = bytes(
                        b ^ 1 << int(random.integers(0, 8)) for b in data[place : place + 1]
                    )
            case 2:
                del data[at:]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                del data[at : at + length]
            case 5:
                data[at : at + length] = bytes([int(random.choice([0, 255, 10, 34, 44, 91, 123]))]) * min(
                    length, len(data) - at
                )
            case 6:
                data[at:at] = random.bytes(min(length, 64))
            case 7:
                data[at:at] = TEXT.encode("utf-8", "surrogatepass")
    return bytes(data)


def spoil_text(data, random):
    """Some numbers of a text in the place of others, lines doubled or gone, or spoilt bytes."""
    if random.random() < 0.4:
        return spoil_bytes(data, random)
    text = data.decode("utf-8", "replace")
    places = list(re.finditer(r"-?\d+\.?\d*(?:e-?\d+)?", text))
    for _ in range(int(random.integers(1, 4))):
        if random.random() < 0.6 and places:
            found = places[int(random.integers(0, len(places)))]
            text = text[: found.start()] + str(random.choice(NUMBERS)) + text[found.end() :]
        else:
            lines = text.split("\n")
            at = int(random.integers(0, len(lines)))
            match int(random.integers(0, 5)):
                case 0:
                    lines[at:at] = lines[at : at + 1] * int(random.choice([1, 2, 300]))
                case 1:
                    del lines[at]
                case 2:
                    lines[at] = lines[at].replace(",", ",,", 1)
                case 3:
                    lines[at] += "," + TEXT.replace("\n", "")
                case 4:
                    lines[at] = lines[at] * int(random.choice([2, 50, 4000]))
            text = "\n".join(lines)
        places = list(re.finditer(r"-?\d+\.?\d*(?:e-?\d+)?", text))
    return text.encode("utf-8", "surrogatepass")


# --- spoiling JSON ---
def _nodes(value, path=()):
    """The path of every value below a value, itself included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _nodes(inner, (*path, key))


def spoil_value(value, random):
    """A JSON value with one to three of its parts exchanged for something extreme, gone, renamed or repeated."""
    value = copy.deepcopy(value)
    for _ in range(int(random.choice([1, 1, 1, 2, 3]))):
        paths = [path for path in _nodes(value) if path]
        if not paths:
            return value
        *way, key = paths[int(random.integers(0, len(paths)))]
        owner = value
        for step in way:
            owner = owner[step]
        match int(random.integers(0, 7)):
            case 0 | 1 | 2:
                owner[key] = copy.deepcopy(EXTREME[int(random.integers(0, len(EXTREME)))])
            case 3:
                del owner[key]
            case 4 if isinstance(owner, dict):
                owner[TEXT if random.random() < 0.5 else f"{key} "] = owner.pop(key)
            case 5 if isinstance(owner[key], list):
                owner[key] = owner[key] * int(random.choice([2, 9, 3000]))
            case _:
                owner[key] = [owner[key]] if random.random() < 0.5 else {"a": owner[key]}
    return value


def json_text(value, random):
    """JSON text of a value; sometimes with a key twice, or nested as deep as no parser likes."""
    text = json.dumps(value)
    match int(random.integers(0, 12)):
        case 0:
            deep = int(random.choice([30, 500, 100_000]))
            text = re.sub(r"(?<=[:\[,] )\d+", lambda _: "[" * deep + "]" * deep, text, count=1)
        case 1 if text.startswith("{") and len(text) > 2:
            text = "{" + text[1 : text.index(":") + 1] + "null, " + text[1:]
    return text.encode("utf-8", "surrogatepass")


# --- spoiling arrays ---
def _npy(header, numbers):
    """Bytes of a .npy member with any text in its header."""
    text = header.encode("latin-1", "replace")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) & 0xFFFF) + text + numbers


def _spoilt_array(array, random):
    """Bytes of a .npy member that claims or holds what it should not."""
    match int(random.integers(0, 9)):
        case 0:  # claims more, or less, than it has
            shape = tuple(
                int(random.choice([0, 1, -1, 2**20, 2**40, 2**62])) for _ in range(int(random.integers(0, 5)))
            )
            return _npy(repr(dict(descr=array.dtype.str, fortran_order=False, shape=shape)), array.tobytes())
        case 1:
            kinds = (
                "<f8",
                "<f2",
                "<i8",
                "|u1",
                "|b1",
                "|O",
                "<c16",
                "<U9",
                "<M8[s]",
                "|V8",
                ">f4",
                "[('a','<f4')]",
                "junk",
            )
            kind = str(random.choice(kinds))
            return _npy(repr(dict(descr=kind, fortran_order=False, shape=array.shape)), array.tobytes())
        case 2:
            array = np.array(array, copy=True)
            if array.dtype.kind == "f" and array.size:
                array.reshape(-1)[int(random.integers(0, array.size))] = random.choice([np.nan, np.inf, -np.inf, 60000])
        case 3:
            array = array.T if random.random() < 0.5 else array.reshape(-1)
        case 4:
            array = (
                array.astype(str(random.choice(["f8", "f2", "i4", "u1", "U20", "?"])))
                if array.dtype.kind != "U"
                else array
            )
        case 5:
            return _npy(
                str(random.choice(["{}", "[" * 5000, "{'descr': 1}", TEXT, "None", "{'shape': (1,)" * 50])),
                array.tobytes(),
            )
        case 6:
            array = np.repeat(array[None], 2, 0) if random.random() < 0.7 else np.zeros(20_000_000, "u1")
        case 7:
            array = np.array(str(array.dtype)) if array.dtype.kind != "U" else np.array(TEXT.replace("\udcff", ""))
        case 8:
            array = np.asfortranarray(array)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def spoil_npz(data, random):
    """An archive with a member changed, gone, doubled or renamed; or spoilt bytes."""
    if random.random() < 0.35:
        return spoil_bytes(data, random)
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        members = [(f"{name}.npy", stored[name]) for name in stored.files]
    chosen = {int(random.integers(0, len(members))) for _ in range(int(random.integers(1, 3)))}
    chosen |= {number for number, (name, _) in enumerate(members) if name == "settings.npy" and random.random() < 0.3}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, array) in enumerate(members):
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            content, change = member.getvalue(), int(random.integers(0, 7)) if number in chosen else -1
            if name == "settings.npy" and change >= 0:  # a text of JSON
                changed = spoil_value(json.loads(str(array)), random)
                text = json_text(changed, random).decode("utf-8", "replace").replace("\0", "")
                member = io.BytesIO()
                np.save(member, np.array(text), allow_pickle=False)
                content = member.getvalue()
            elif change >= 3:
                content = _spoilt_array(array, random)
            if change == 0:
                continue
            archive.writestr(
                str(random.choice(["x.npy", "../x.npy", f"{name}x", ".npy"])) if change == 1 else name, content
            )
            if change == 2:
                archive.writestr(name, content)
    return buffer.getvalue()


def spoil_h5(data, random):
    """An HDF5 file with other shapes, types, links or no arrays at all; or spoilt bytes."""
    if random.random() < 0.45:
        return spoil_bytes(data, random)
    import h5py

    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        part = str(random.choice(["block1_conv1", "block1_conv1/kernel", "block1_conv1/bias"]))
        whole = part == "block1_conv1"
        if int(way := random.integers(0, 9)) != 8:
            del file[part]
        shape = (64,) if part.endswith("bias") else (3, 3, 3, 64)
        match int(way):
            case 0:
                file[part] = np.zeros(shape, str(random.choice(["f8", "f2", "i4", "u1", "?", "c16"])))
            case 1:
                file[part] = np.full(shape, random.choice([np.nan, np.inf, 1e38]), "f4")
            case 2:
                file[part] = np.zeros(tuple(reversed(shape)) + (1,) * int(random.integers(0, 3)), "f4")
            case 3:
                size = int(random.choice([2**20, 2**31, 2**37]))
                options = dict(chunks=(int(random.choice([1, 2**16])),)) if not whole or random.random() < 0.5 else {}
                file.create_dataset(part, (size,), "f4", **options)
            case 4:
                file.create_group(part)
            case 5:
                file[part] = h5py.SoftLink(str(random.choice(["/", "/nowhere", "/block1_conv1", part])))
            case 6:
                file[part] = h5py.ExternalLink("/etc/hostname", "/")
            case 7:
                file[part] = ["texts"] if random.random() < 0.5 else np.zeros(2, [("x", "f4"), ("y", "i8")])
            case 8:
                for number in range(int(random.choice([1, 30]))):
                    file[f"block1_conv1/more{number}"] = np.zeros(shape, "f4")
    return buffer.getvalue()


# --- spoiling the rest ---
def spoil_json(data, random):
    """A text of JSON with other values; or spoilt bytes."""
    return (
        spoil_bytes(data, random) if random.random() < 0.3 else json_text(spoil_value(json.loads(data), random), random)
    )


def spoil_lines(data, random):
    """Lines of JSON, one of them with other values; or spoilt text."""
    if random.random() < 0.5:
        return spoil_text(data, random)
    lines = data.splitlines()
    at = int(random.integers(0, len(lines)))
    lines[at] = json_text(spoil_value(json.loads(lines[at]), random), random)
    return b"\n".join(lines) + b"\n"


def spoil_recipe(data, random):
    """A PNG whose recipe has other values, or is spoilt text; or spoilt bytes."""
    if random.random() < 0.2:
        return spoil_bytes(data, random)
    at = data.index(b"tEXtfashion_style\0") - 4
    length = struct.unpack(">I", data[at : at + 4])[0]
    text = data[at + 8 + len("fashion_style") + 1 : at + 8 + length]
    text = spoil_json(text, random) if random.random() < 0.85 else spoil_text(text, random)
    kind, content = b"tEXt", b"fashion_style\0" + text
    if random.random() < 0.15:
        kind, content = b"zTXt", b"fashion_style\0\0" + zlib.compress(text)
    elif random.random() < 0.15:
        kind, content = b"iTXt", b"fashion_style\0\0\0\0\0" + text
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:at] + chunk * int(random.choice([1, 1, 1, 2])) + data[at + 12 + length :]


def spoil_table(data, random):
    """A lookbook's table: spoilt text, or a recipe in it with other values."""
    if random.random() < 0.6:
        return spoil_text(data, random)
    import csv

    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    row, recipe = rows[-1], rows[0].index("recipe")
    if random.random() < 0.6:
        row[recipe] = json_text(spoil_value(json.loads(row[recipe]), random), random).decode("utf-8", "replace")
    else:
        row[int(random.integers(0, len(row)))] = str(
            random.choice([TEXT.replace("\udcff", ""), "../x.png", "x" * 200_000, "", "nan"])
        )
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


SPOIL = dict(
    weights=spoil_npz,
    extractor=spoil_npz,
    vgg19=spoil_h5,
    manifest=spoil_json,
    state=spoil_npz,
    history=spoil_text,
    diary=spoil_lines,
    fork=spoil_json,
    resume=spoil_npz,
    settings=spoil_json,
    note=spoil_json,
    recipe=spoil_recipe,
    table=spoil_table,
    scorecard=spoil_text,
    course=spoil_json,
)


def _reseal(checkpoint):
    """Make a spoilt checkpoint's seals true again: a stranger can count as well as we can."""
    manifest_path, state_path = checkpoint / "manifest.json", checkpoint / "state.npz"
    try:
        manifest = json.loads(manifest_path.read_bytes())
        manifest["sha256"] = hashlib.sha256(state_path.read_bytes()).hexdigest()
        bare = {name: value for name, value in manifest.items() if name != "seal"}
        seal = hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()
        manifest_path.write_text(json.dumps(bare | {"seal": seal}))
    except (ValueError, TypeError, RecursionError):
        pass


def spoil(kind, folder, random):
    """Spoil the one file of a kind below a copy of its base."""
    path = Path(folder, FILES[kind])
    path.write_bytes(SPOIL[kind](path.read_bytes(), random))
    if kind in ("manifest", "state", "fork", "resume"):
        if random.random() < 0.8:
            _reseal(path.parent)
        if random.random() < 0.5:  # without an older one to fall back to
            import shutil

            shutil.rmtree(path.parents[1] / "step-00000000", ignore_errors=True)
