"""Dress a garment in any pattern with a network that you train yourself.

The article's names and `load_designer` are found here too. They are imported when they are first asked for, so that
`import fashion_style` stays instant: TensorFlow takes seconds. What TensorFlow says about processors and CUDA while it
is imported is told only if the import fails; `TF_CPP_MIN_LOG_LEVEL=0` shows all of it.
"""

import sys as _sys

__version__ = "0.2.0"


class _QuietFinder:
    """Every import asks it first; it knows only TensorFlow, and leaves that to the room `guards.quiet`."""

    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            from .guards.quiet import quiet_spec

            return quiet_spec(self, name, path, target)


if not any(type(finder).__name__ == "_QuietFinder" for finder in _sys.meta_path):
    _sys.meta_path.insert(0, _QuietFinder())

_ROOMS = {
    "build_generator": "generator",
    "build_discriminator": "critic",
    "adversarial_loss": "wasserstein",
    "content_loss": "content",
    "gram_matrix": "gram",
    "style_loss": "gram",
    "train_step": "training",
    "load_designer": "design",
}


def __getattr__(name: str) -> object:
    """A public name from the room that makes it, imported now (PEP 562).

    Raises:
        AttributeError: for a name that is not one of the public ones.
    """
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    """The names that are here already, and the public ones that come when they are asked for."""
    return sorted({*globals(), *_ROOMS})
