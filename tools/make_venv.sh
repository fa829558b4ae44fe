#!/bin/sh
# make_venv.sh PYTHON FOLDER: makes a virtual environment, keeps one that works already.
fits='import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
if "$2/bin/python" -c "$fits" >/dev/null 2>&1; then
    exit 0
fi
echo "Making a virtual environment in $2 with $1 (the installation that follows takes some minutes)"
if "$1" -m venv --clear "$2"; then
    exit 0
fi
echo "$1 cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
exit 1
