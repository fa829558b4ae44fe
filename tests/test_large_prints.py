"""Large pictures: strips, memory and seams."""

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.design import load_designer
from fashion_style.garments import draw_garment
from fashion_style.networks import large_prints
from fashion_style.patterns import draw_pattern
from fashion_style.scorecard import luminance_ssim


@pytest.mark.parametrize("small, large", [((5, 7), (16, 9)), ((1, 1), (3, 4)), ((8, 8), (8, 8)), ((20, 6), (41, 64))])
def test_strips_equal_tensorflows_resize(small, large):
    maps = np.random.default_rng(0).normal(size=(*small, 5)).astype("float32")
    strips = [large_prints.enlarge_strip(maps, large, row, row + 1) for row in range(large[0])]
    np.testing.assert_allclose(np.concatenate(strips), tf.image.resize(maps, large), atol=2e-4)


def test_any_strip_height_gives_the_same_pixels(monkeypatch):
    monkeypatch.setattr(large_prints, "WORKING_PIXELS", 96 * 96)
    generator, content, style = (
        load_designer().generator,
        draw_garment("dress", 250, 1).picture,
        draw_pattern("damask", 250, 3),
    )
    results = []
    for pixels in (250 * 7, 250 * 100, 10**9):
        monkeypatch.setattr(large_prints, "STRIP_PIXELS", pixels)
        results.append(large_prints.paint_large(generator, content, [style], [1.0]))
    for other in results[1:]:
        # sums of one pixel are the same whatever its neighbours
        np.testing.assert_allclose(results[0], other, atol=1e-6)


def test_small_maps_come_close_to_the_direct_picture(monkeypatch):
    monkeypatch.setattr(large_prints, "WORKING_PIXELS", 256 * 256)
    generator, content, style = (
        load_designer().generator,
        draw_garment("coat", 512, 1).picture,
        draw_pattern("paisley", 512, 3),
    )
    direct = generator([content[None], style[None]]).numpy()[0]
    large = large_prints.paint_large(generator, content, [style], [1.0])
    assert luminance_ssim(large, direct) > 0.6


def test_strength_zero_is_the_garment():
    generator, content, style = (
        load_designer().generator,
        draw_garment("coat", 64, 1).picture,
        draw_pattern("paisley", 64, 3),
    )
    np.testing.assert_allclose(
        large_prints.paint_large(generator, content, [style, style], [0.3, 0.7], 0.0), content, atol=1e-6
    )
