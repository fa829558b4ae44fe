"""Packaging: reads settings.ini, so that names and versions are written once."""

import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
# Only "=" separates key and value: requirements such as "nbdev==2.4.14" and URLs hold colons.
parser = ConfigParser(delimiters=["="], interpolation=None)
parser.read(HERE / "settings.ini", encoding="utf-8")
settings = parser["DEFAULT"]
readme = HERE / "README.md"


class BuildWithNotebooks(build_py):
    """Puts a copy of nbs/ into the wheel as fashion_style/notebooks, for `fashion-style lab`, and the model card.

    An editable install needs no copy: there `fashion-style lab` finds nbs/ beside the package.
    """

    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / settings["lib_path"] / "notebooks"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copy(HERE / "MODEL_CARD.md", target.parent / "weights")
            shutil.copytree(HERE / settings["nbs_path"], target, ignore=shutil.ignore_patterns(".*", "_*"))


setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=readme.read_text(encoding="utf-8") if readme.exists() else "",
    long_description_content_type="text/markdown",
    keywords=settings["keywords"].split(),
    author=settings["author"],
    author_email=settings["author_email"],
    url=settings["git_url"],
    license="Apache-2.0",
    packages=find_packages(include=["fashion_style", "fashion_style.*"]),
    package_data={"fashion_style": ["py.typed", "weights/*"]},
    python_requires=">=" + settings["min_python"],
    install_requires=settings["requirements"].split(),
    extras_require={
        "dev": settings["dev_requirements"].split(),
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "tensorboard": ["tensorboard"],
    },
    entry_points={"console_scripts": settings["console_scripts"].split("\n")},
    cmdclass={"build_py": BuildWithNotebooks},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Education",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
    ],
)
