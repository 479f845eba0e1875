#!/usr/bin/env bash
# Loading a checkpoint of 2.7 GB against torch.load and safetensors, each in a process of its own, in turns.
# usage: benchmarks/loading/run.sh [options of compare.py]     --write: the table of docs/results/performance.md
# Builds the program in the release preset; needs 6 GB of disk and 12 GB of memory. The Python is that of
# the build's virtual environment, or the variable PYTHON names one with torch and safetensors.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-${D2C_DEPS_DIR:-.deps}/venv/bin/python}
if ! "$python" -c 'import torch, safetensors' 2>/dev/null; then
  echo "benchmarks/loading/run.sh: expected a Python with torch and safetensors, found none in $python. Run scripts/install-dependencies --tests first." >&2
  exit 2
fi
cmake --preset release -DD2C_BENCHMARKS=ON
cmake --build --preset release --target bench_loading
program=$(find build/release -type f -name bench_loading -perm -u+x | head -n 1)
exec "$python" benchmarks/loading/compare.py "$program" "$@"
