#!/usr/bin/env bash
# Training steps, scoring passes and sampler steps of d2c against the same networks in Python, in turns.
# usage: benchmarks/network/run.sh [--quick] [--compile] [--write] [--rounds N] [--threads N] [NETWORK...]
# --quick: one round, to see that everything runs. --compile: torch.compile besides eager, at the published
# sizes. --write: the tables go into docs/results/performance.md. All of it takes about ten minutes.
# Builds the program in the release preset. The Python is that of the build's virtual environment, or
# the variable PYTHON names one with torch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-${D2C_DEPS_DIR:-.deps}/venv/bin/python}
if ! "$python" -c 'import torch' 2>/dev/null; then
  echo "benchmarks/network/run.sh: expected a Python with torch, found none in $python. Run scripts/install-dependencies first." >&2
  exit 2
fi
cmake --preset release -DD2C_BENCHMARKS=ON
cmake --build --preset release --target bench_network
program=$(find build/release -type f -name bench_network -perm -u+x | head -n 1)
exec "$python" benchmarks/network/compare.py "$program" "$@"
