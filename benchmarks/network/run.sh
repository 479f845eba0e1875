#!/usr/bin/env bash
# Training steps and scoring passes of d2c against the same networks in Python, in turns.
# usage: benchmarks/network/run.sh [BUILD_FOLDER] [options of compare.py]
# Needs the program bench_network of the build and a Python with torch (variable PYTHON, else the
# build's virtual environment).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=build/release
if [ $# -gt 0 ] && [ -d "$1" ]; then
  build=$1
  shift
fi
python=${PYTHON:-.venv/bin/python}
program=$(find "$build" -type f -name bench_network -perm -u+x | head -n 1)
if [ -z "$program" ]; then
  echo "benchmarks/network/run.sh: expected a program bench_network below $build, found none" >&2
  exit 2
fi
exec "$python" "$here/compare.py" "$program" "$@"
