"""Fixtures for pictures and weights that lie beside the checkout and are never part of it."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

# The files that take longest begin first, so that with two processes neither waits long for the other at the end.
LONGEST = (
    "test_panels_in_browser",
    "test_health",
    "test_faults",
    "test_training",
    "test_devices",
    "test_checkpoints",
    "test_cli",
    "test_design",
    "test_runs",
)
SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))
VGG19_NAME = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"


def pytest_collection_modifyitems(items):
    """Files in the order of LONGEST, then all others."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(pathlib.Path(item.fspath).stem, len(rank)))


def pytest_terminal_summary(terminalreporter):
    """The latencies that tests have measured (record_property "latency"), as a table at the end of the run.

    Targets are for two idle cores; they are no limits.
    """
    reports = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, [])
        if getattr(report, "when", "") == "call"
    ]
    found = [value for report in reports for name, value in report.user_properties if name == "latency"]
    if found:
        terminalreporter.section(
            f"latencies, measured while {os.cpu_count()} cores had a load of {os.getloadavg()[0]:.1f}"
        )
    for what, seconds, target in found:
        terminalreporter.line(f"{seconds:8.3f} s   (target {target:g} s)   {what}")


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real garments, flats, fabrics, repeats and paintings."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real pictures: no folder {folder} (set FASHION_STYLE_SHARED to name another place)")
    return folder


@pytest.fixture(scope="session")
def vgg19_weights():
    """Path of the real VGG19 weights."""
    path = SHARED / "weights" / VGG19_NAME
    if not path.is_file():
        pytest.skip(f"needs real VGG19 weights: no file {path} (set FASHION_STYLE_SHARED to name another place)")
    return path
