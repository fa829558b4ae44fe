#!/bin/sh
# Prints a Python that can run fashion_style: the one named as the argument, else the first that fits.
# TensorFlow 2.21 has wheels for Python 3.11 to 3.13.
fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}
for candidate in ${1:-python3 python3.13 python3.12 python3.11 python}; do
    if fits "$candidate"; then
        command -v "$candidate"
        exit 0
    fi
done
found=$("${1:-python3}" --version 2>&1) || found="no ${1:-python3}"
echo "fashion_style needs Python 3.11, 3.12 or 3.13 and found: $found." >&2
echo "Install one of them and name it, for example: make demo PYTHON=/path/to/python3.12" >&2
exit 1
