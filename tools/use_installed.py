"""Imports every module of the installed package; run by check_wheel.py inside the new environment."""

import importlib
import pathlib
import pkgutil
import sys

import fashion_style


def module_names(package):
    """Dotted names of every module below an imported package, in its folders too."""
    return sorted(module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))


def main():
    """Imports them all, from the environment that runs this."""
    place = pathlib.Path(fashion_style.__file__).resolve()
    assert pathlib.Path(sys.prefix).resolve() in place.parents, f"imported from {place}, not from the wheel"
    names = module_names(fashion_style)
    for name in names:
        importlib.import_module(name)
    print(fashion_style.__version__, *names)


if __name__ == "__main__":
    main()
