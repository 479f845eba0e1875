#!/usr/bin/env bash
# Preparing images (decode, centre crop, store) against Pillow and a torchvision-style loader, in turns.
# usage: benchmarks/prepare/run.sh [options of compare.py]
# Builds the program in the release preset. The Python is that of the build's virtual environment, or
# the variable PYTHON names one with torch, torchvision and pillow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-${D2C_DEPS_DIR:-.deps}/venv/bin/python}
if ! "$python" -c 'import torch, torchvision, PIL' 2>/dev/null; then
  echo "benchmarks/prepare/run.sh: expected a Python with torch, torchvision and pillow, found none in $python. Run scripts/install-dependencies --tests first." >&2
  exit 2
fi
cmake --preset release -DD2C_BENCHMARKS=ON
cmake --build --preset release --target bench_prepare
program=$(find build/release -type f -name bench_prepare -perm -u+x | head -n 1)
exec "$python" benchmarks/prepare/compare.py "$program" "$@"
