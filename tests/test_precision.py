"""The comparison of float32 and bfloat16 can fail."""

import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import precision

from fashion_style.comparison import ScorecardTable


def row(shift):
    """One compared figure of random runs; those in bfloat16 are the same, worse by `shift` and a little noise that
    cancels out.
    """
    values = np.random.default_rng(0).normal(size=(6, 24, 1))
    values[3:] = values[:3] + shift + np.tile([0.01, -0.01], 12)[:, None]
    rows = tuple(f"{kind}, seed {seed}" for kind in precision.PRECISIONS for seed in precision.SEEDS)
    return precision.compare(ScorecardTable("embedded", rows, ("gram",), values), "gram")


def test_a_worse_precision_lies_outside_and_an_equal_one_inside():
    (*_, inside, small, _, _), (*_, outside, large, _, _) = row(0.0), row(3.0)
    assert (inside, outside) == ("inside", "outside") and "**" not in small and large.startswith("**+3.0")
