"""Imports every module of the installed package; run by check_wheel.py inside the new environment."""
import importlib
import pathlib
import pkgutil
import sys

import fashion_style

place = pathlib.Path(fashion_style.__file__).resolve()
assert pathlib.Path(sys.prefix).resolve() in place.parents, f"imported from {place}, not from the wheel"
names = sorted(module.name for module in pkgutil.iter_modules(fashion_style.__path__))
for name in names:
    importlib.import_module(f"fashion_style.{name}")
print(fashion_style.__version__, *names)
