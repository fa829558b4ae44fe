"""Small ICC profiles of a matrix and a curve (ICC versions 2 and 4), so that tests know what is right."""

import struct

import numpy as np
from scipy.interpolate import RegularGridInterpolator

D50, D65 = (0.34567, 0.35850), (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)
PROPHOTO = ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105), D50)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def xyz(place):
    """XYZ of chromaticity (x, y), with Y = 1."""
    x, y = place
    return np.array([x / y, 1, (1 - x - y) / y])


def to_d50(space):
    """The 3 x 3 matrix from a space's linear red, green and blue to XYZ under D50."""
    *primaries, white = space
    columns = np.stack([xyz(place) for place in primaries], axis=1)
    matrix = columns * np.linalg.solve(columns, xyz(white))
    cones = BRADFORD @ xyz(D50) / (BRADFORD @ xyz(white))
    return np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ matrix


def srgb_light(values):
    """sRGB's curve: what is stored -> light."""
    values = np.asarray(values, float)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_stored(light):
    """The inverse of `srgb_light`."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def fixed(values):
    """Numbers as s15Fixed16."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in np.ravel(values))


def curve_tag(gamma, version):
    """A curve of one gamma, or sRGB's for None."""
    if version == 4:
        if gamma:
            return b"para" + bytes(4) + struct.pack(">HH", 0, 0) + fixed([gamma])
        return (
            b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed([2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045])
        )
    if gamma:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    table = np.round(srgb_light(np.linspace(0, 1, 1024)) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", len(table)) + table.tobytes()


def text_tag(text, version):
    if version == 4:
        letters = text.encode("utf-16-be")
        return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(letters), 28) + letters
    return b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text.encode() + b"\0" + bytes(4 + 4 + 2 + 1 + 67)


def assemble(tags, colours, version):
    """A display profile of these tags."""
    place, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name.encode(), place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), version << 24, b"mntr", colours, b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + fixed(xyz(D50)[[0, 1, 2]])
    return header.ljust(128, b"\0") + table + body


def matrix_profile(space, gamma=None, *, version=2, text="made by a test"):
    """The profile of a space of three colours; gamma None is sRGB's curve."""
    matrix = to_d50(space)
    tags = dict(desc=text_tag(text, version), cprt=text_tag("none", version) if version == 4 else b"text" + bytes(8))
    tags["wtpt"] = b"XYZ " + bytes(4) + fixed(xyz(D50))
    for number, letter in enumerate("rgb"):
        tags[f"{letter}XYZ"] = b"XYZ " + bytes(4) + fixed(matrix[:, number])
        tags[f"{letter}TRC"] = curve_tag(gamma, version)
    return assemble(tags, b"RGB ", version)


def grey_profile(gamma, *, version=2):
    """The profile of grey with one gamma."""
    tags = dict(desc=text_tag("grey", version), cprt=b"text" + bytes(8), wtpt=b"XYZ " + bytes(4) + fixed(xyz(D50)))
    return assemble(tags | dict(kTRC=curve_tag(gamma, version)), b"GRAY", version)


def stored_in(space, gamma, srgb):
    """sRGB pixels (H, W, 3) in [0, 1] as another space stores the same colours, in [0, 1]; its gamut must hold them."""
    light = srgb_light(srgb) @ (np.linalg.inv(to_d50(space)) @ to_d50(SRGB)).T
    light = np.clip(light, 0, 1)
    return srgb_stored(light) if gamma is None else light ** (1 / gamma)


def ink_lab(inks):
    """CIELAB of solid inks (cyan, magenta, yellow, black), each 0 or 1, in a press that is easy to reckon with."""
    cyan, magenta, yellow, black = inks
    light = 1 - 0.85 * black
    red, green, blue = (light * (1 - 0.8 * ink) for ink in (cyan, magenta, yellow))
    whole = np.array([red, green, blue]) @ (0.25, 0.65, 0.10)
    return np.array([116 * np.cbrt(max(whole, 0.0089)) - 16, 60 * (red - green), 50 * (green - blue)])


def press_profile():
    """The profile of that press: a table of its 16 solid overprints, linear between them (lut8 of ICC version 2)."""
    solids = np.array([[number >> 3 & 1, number >> 2 & 1, number >> 1 & 1, number & 1] for number in range(16)])
    lab = np.array([ink_lab(inks) for inks in solids])
    table = np.column_stack([lab[:, 0] * 2.55, lab[:, 1] + 128, lab[:, 2] + 128]).round().astype(np.uint8)
    straight = bytes(range(256))
    body = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(np.eye(3)) + straight * 4 + table.tobytes() + straight * 3
    tags = dict(desc=text_tag("press", 2), cprt=b"text" + bytes(8), wtpt=b"XYZ " + bytes(4) + fixed(xyz(D50)))
    tags |= dict(A2B0=body, A2B1=body)  # perceptual and colorimetric
    data = bytearray(assemble(tags, b"CMYK", 2))
    data[12:16], data[20:24] = b"scnr", b"Lab "  # for a "prtr" its way back would be needed too
    return bytes(data)


def table_lab(profile, inks):
    """CIELAB (N, 3) of inks (N, 4) in [0, 1] by the "mft2" table A2B0 of a version 2 profile, without lcms."""
    for number in range(int.from_bytes(profile[128:132], "big")):
        name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if name == b"A2B0":
            table = profile[start : start + size]
    assert table[:4] == b"mft2" and table[8:10] == bytes([4, 3])
    grid, (enter, leave) = table[10], struct.unpack_from(">HH", table, 48)
    values = np.frombuffer(table, ">u2", offset=52) / 65535
    curves, values = values[: 4 * enter].reshape(4, enter), values[4 * enter :]
    corners, ends = values[: grid**4 * 3].reshape(grid, grid, grid, grid, 3), values[grid**4 * 3 :].reshape(3, leave)
    axis = np.linspace(0, 1, enter)
    bent = np.stack([np.interp(inks[:, ink], axis, curves[ink]) for ink in range(4)], axis=1)
    found = RegularGridInterpolator([np.linspace(0, 1, grid)] * 4, corners)(bent)
    axis = np.linspace(0, 1, leave)
    light, red, blue = (np.interp(found[:, number], axis, ends[number]) * 65535 for number in range(3))
    return np.stack([light * 100 / 65280, red / 256 - 128, blue / 256 - 128], axis=1)
