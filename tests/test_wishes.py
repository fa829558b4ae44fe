"""What may be asked of a designer, and what a recipe may say: every limit, without a network."""

import contextlib
import json

import numpy as np
import pytest

from fashion_style.errors import DesignError
from fashion_style.studio.wishes import (
    MOST_STYLES,
    check_mix,
    check_recipe,
    check_wishes,
    checked_number,
    checked_offset,
    checked_shares,
    is_recipe,
)

PART = dict(name="dress.png", sha256="0" * 64)
RECIPE = dict(
    garment=PART, styles=[PART, PART], mask=None, generator=PART, settings={}, pixels="f" * 64, version="0.2.0"
)
NOTE = dict(layout="straight", piece=[0, 0, 8, 8], found=None)
ODD = (None, True, "1", "", [], {}, [1], float("nan"), float("inf"), -1e308, 10**400, -1, 1e9, "\x1b[2J")


def test_a_number_of_styles():
    for count in range(1, MOST_STYLES + 1):
        check_mix(count)
    for count in (0, -1, MOST_STYLES + 1, 10**9):
        with pytest.raises(DesignError, match="Received: "):
            check_mix(count)


@pytest.mark.parametrize(
    "name", ["weights", "strength", "motif_scale", "keep_colours", "lock", "size", "repeat", "rotate", "offset"]
)
def test_a_wish_is_taken_or_refused_with_one_error(name):
    refused = 0
    for value in ODD:
        try:
            check_wishes(2, **{name: value})
        except DesignError as error:
            refused += 1
            assert "Received" in str(error) and len(str(error)) < 500
    assert refused >= len(ODD) - 3


def test_good_wishes():
    check_wishes(1)
    check_wishes(3, weights=[1, 0, 2.5], strength=0, motif_scale=20, keep_colours=True, lock=False, size=4096)
    check_wishes(1, repeat="half-drop", rotate=-90, offset=[0.5, -2])
    assert checked_offset(np.array([0, 1])) == (0.0, 1.0)
    assert checked_number("size", 64.0, 16, 4096, "", whole=True) == 64
    np.testing.assert_allclose(checked_shares("weights", [1, 3], 2), [0.25, 0.75])


@pytest.mark.parametrize("key", sorted(RECIPE))
def test_a_recipe_without_a_part_or_with_another_type(key):
    assert is_recipe(RECIPE) and check_recipe(RECIPE) is None
    without = {name: value for name, value in RECIPE.items() if name != key}
    assert is_recipe(without) is (key in ("mask", "version"))
    for value in ODD:
        changed = RECIPE | {key: value}
        if is_recipe(changed) and value != RECIPE[key]:
            with pytest.raises(DesignError) if key != "version" and value != {} else contextlib.nullcontext():
                check_recipe(changed)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(styles=[PART] * 9), "a mix has 1 to 8"),
        (dict(mask=dict(PART, name="x" * 256)), "the mask needs a name"),
        (dict(styles=[PART, dict(PART, sha256="F" * 64)]), "the style 2 needs a name"),
        (dict(generator=dict(PART, sha256="0" * 65)), "the generator needs"),
        (dict(version="0" * 41), "the version at most 40"),
        (dict(settings=dict(weights=[1])), "each of 2 styles"),
        (dict(laid=[]), "0 notes for 2 styles"),
        (dict(laid=[NOTE, dict(NOTE, layout="auto")]), "how a print is laid"),
        (dict(settings=dict(repeat="twice")), "repeat must be one of"),
        (dict(settings=dict(colour=1, mask=2)), "Received: colour, mask"),
        (dict(settings=dict(size=True)), "size must be a whole number"),
    ],
)
def test_a_recipe_that_asks_for_what_cannot_be(change, words):
    changed = json.loads(json.dumps(RECIPE | change))
    assert is_recipe(changed)
    with pytest.raises(DesignError, match=words):
        check_recipe(changed)
