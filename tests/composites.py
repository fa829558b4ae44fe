"""Pictures whose masks are known exactly: cut-outs and drawn garments on five grounds, and drawings with faults.

The cut-outs are those that a hash of their names holds out of every training.
"""

import cv2
import numpy as np

from fashion_style.garments import GARMENT_KINDS, draw_garment, paste_and_shade
from fashion_style.images import to_float, to_uint8
from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern

GROUNDS = ("near-white", "white with shadow", "floors and walls", "patterned cloth", "like the garment")
SIZE = 384


def _grain(rng, size, amount):
    return rng.normal(0, amount, (size, size, 1)).astype(np.float32)


def _slope(rng, size, amount):
    """Light that falls off in some direction, (size, size, 1)."""
    y, x = np.mgrid[:size, :size] / size
    angle = rng.uniform(0, 2 * np.pi)
    return np.float32(1 - amount * (0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)))[..., None]


def _boards(rng, size):
    """Wooden boards or tiles, and for every second picture a wall above them."""
    colour = rng.uniform(40, 225) + rng.normal(0, 16, 3)
    ground = np.ones((size, size, 1), np.float32) * np.float32(colour)
    step = int(rng.integers(24, 110))
    for start in range(-int(rng.integers(step)), size, step):
        ground[:, max(0, start) : max(0, start + step)] *= rng.uniform(0.86, 1.12)
        ground[:, max(0, start) : max(0, start + 3)] *= 0.6
    if rng.random() < 0.5:
        ground[:: int(rng.integers(30, 160))] *= 0.6
    streaks = cv2.resize(rng.normal(0, 6, (6, size // 4)).astype(np.float32), (size, size))[..., None]
    ground += streaks
    if rng.random() < 0.5:
        ground = np.rot90(ground)
    if rng.random() < 0.5:
        horizon = int(rng.uniform(0.3, 0.85) * size)
        ground = ground.copy()
        ground[:horizon] = rng.uniform(90, 245) + rng.normal(0, 10, 3)
        ground[horizon : horizon + 6] *= 0.7
    return ground


def ground_for(kind, rng, garment, mask):
    """One of GROUNDS for a garment (S, S, 3) in [0, 255] with its mask (S, S): float32 (S, S, 3)."""
    size = len(mask)
    if kind == "near-white":
        return rng.uniform(232, 252) * _slope(rng, size, 0.06) + rng.normal(0, 2, 3) + _grain(rng, size, 1.5)
    if kind == "white with shadow":
        move = np.float32([[1, 0, rng.normal(0, 0.02) * size], [0, 1, rng.uniform(0, 0.04) * size]])
        shade = cv2.GaussianBlur(cv2.warpAffine(mask, move, (size, size)), (0, 0), rng.uniform(3, 16))[..., None]
        return (248 * _slope(rng, size, 0.1) + _grain(rng, size, 1.5)) * (1 - rng.uniform(0.25, 0.55) * shade)
    if kind == "floors and walls":
        return _boards(rng, size) * _slope(rng, size, 0.2) + _grain(rng, size, 3)
    if kind == "patterned cloth":
        tile = draw_pattern(PATTERN_FAMILIES[rng.integers(len(PATTERN_FAMILIES))], 128, int(rng.integers(2**31)))
        tile = cv2.resize(to_uint8(tile), (int(rng.integers(80, 300)),) * 2, interpolation=cv2.INTER_AREA)
        times = -(-size // len(tile))
        return np.tile(tile, (times, times, 1))[:size, :size] * _slope(rng, size, 0.2) + _grain(rng, size, 2)
    colour = np.median(garment[mask > 0.9], axis=0) if (mask > 0.9).any() else np.full(3, 128.0)
    near = colour + rng.choice([-1, 1]) * rng.uniform(8, 18) + rng.normal(0, 3, 3)
    return near * _slope(rng, size, 0.12) + _grain(rng, size, 3)


def _garment(rng, number, cut_outs):
    """(picture (S, S, 3) in [0, 255], mask (S, S)) of a cut-out or of a drawn garment, about 0.85 S large."""
    if cut_outs:
        piece = np.float32(cut_outs[number % len(cut_outs)])
        left, top, width, height = cv2.boundingRect(np.uint8(piece[..., 3] > 127))
        piece = piece[top : top + height, left : left + width]
        zoom = 0.85 * SIZE / max(width, height)
        piece[..., :3] *= piece[..., 3:] / 255
        piece = cv2.resize(
            piece, (max(1, round(width * zoom)), max(1, round(height * zoom))), interpolation=cv2.INTER_AREA
        )
        canvas = np.zeros((SIZE, SIZE, 4), np.float32)
        top, left = (SIZE - piece.shape[0]) // 2, (SIZE - piece.shape[1]) // 2
        canvas[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
        alpha = canvas[..., 3] / 255
        return canvas[..., :3] / np.maximum(alpha, 1e-3)[..., None], alpha
    garment = draw_garment(GARMENT_KINDS[number % len(GARMENT_KINDS)], SIZE, int(rng.integers(2**31)))
    picture = garment.picture
    if number % 3 == 0:
        tile = draw_pattern(PATTERN_FAMILIES[rng.integers(len(PATTERN_FAMILIES))], 96, int(rng.integers(2**31)))
        picture = paste_and_shade(picture, garment.mask, np.tile(tile, (4, 4, 1)))
    return np.float32(to_uint8(picture)), garment.mask[..., 0]


def composite(kind, seed, number, cut_outs=()):
    """(picture float32 (S, S, 3) in [-1, 1], mask (S, S, 1)) on a ground; without cut-outs a drawn garment."""
    rng = np.random.default_rng((GROUNDS.index(kind), seed, number))
    garment, mask = _garment(rng, number, cut_outs)
    turn = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), rng.normal(0, 7), rng.uniform(0.75, 1.08))
    turn[:, 2] += rng.normal(0, 0.02, 2) * SIZE
    weighted = cv2.warpAffine(np.dstack([garment * mask[..., None], mask]), turn, (SIZE, SIZE), flags=cv2.INTER_AREA)
    mask = np.clip(weighted[..., 3:], 0, 1)
    garment = weighted[..., :3] / np.maximum(mask, 1e-3)
    ground = ground_for(kind, rng, garment, mask[..., 0])
    picture = np.uint8(np.clip(mask * garment + (1 - mask) * ground, 0, 255).round())
    _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))])
    return to_float(cv2.imdecode(packed, cv2.IMREAD_COLOR)), mask


def faulty_drawing(kind, seed, size=512):
    """(picture float32 (S, S, 3) in [-1, 1], mask (S, S, 1)): a flat with gaps, dashes, a grey part, a number."""
    rng = np.random.default_rng(seed)
    garment = draw_garment(kind, size, seed, render="flat")
    picture, inside = to_uint8(garment.picture), garment.mask[..., 0] > 0.5
    fault = seed % 4
    if fault in (1, 3):  # a grey part, as of another cloth
        y, x = np.mgrid[:size, :size] - size / 2
        angle = rng.uniform(0, 2 * np.pi)
        part = inside & (np.cos(angle) * x + np.sin(angle) * y > rng.uniform(-0.1, 0.1) * size)
        picture[part] = picture[part] * rng.uniform(0.6, 0.92)
    if fault in (2, 3):  # gaps in the outline, and dashes across the cloth
        contours, _ = cv2.findContours(np.uint8(inside), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        rim = np.concatenate(contours)[:, 0]
        for x, y in rim[rng.choice(len(rim), 12, replace=False)]:
            half = int(rng.integers(2, 6))
            around = slice(max(0, y - half), y + half + 1), slice(max(0, x - half), x + half + 1)
            cloth = picture[inside]
            picture[around] = np.where(inside[around][..., None], np.median(cloth, axis=0), 255)
        rows, columns = np.nonzero(inside)
        for _ in range(3):
            row = int(rng.choice(rows))
            dashes = inside[row] & (np.arange(size) // 6 % 2 == 0)
            picture[row, dashes] = 60
        cv2.putText(picture, f"A{seed % 100}", (6, size - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    if fault == 0:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return to_float(picture), garment.mask
