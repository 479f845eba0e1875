#!/usr/bin/env bash
# The published encoders (T5, DINOv2, CLIP, Stable Diffusion's autoencoder, Inception-v3) against their
# reference libraries in Python, in turns.
# usage: benchmarks/encoders/run.sh [--quick] [--write] [--rounds N] [--threads N] [--keep FOLDER] [NETWORK...]
# --quick: one round, to see that everything runs. --write: the tables go into
# docs/results/performance.md. All of it takes about six minutes and 2 GB of the temporary folder.
# Builds the program in the release preset. The Python is that of the build's virtual environment, or
# the variable PYTHON names one with the packages of requirements-test.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-${D2C_DEPS_DIR:-.deps}/venv/bin/python}
if ! "$python" -c 'import torch, transformers, diffusers, torch_fidelity, torchvision' 2>/dev/null; then
  echo "benchmarks/encoders/run.sh: expected a Python with torch, transformers, diffusers, torch-fidelity and torchvision, found none in $python. Run scripts/install-dependencies --tests first." >&2
  exit 2
fi
cmake --preset release -DD2C_BENCHMARKS=ON
cmake --build --preset release --target bench_encoders
program=$(find build/release -type f -name bench_encoders -perm -u+x | head -n 1)
exec "$python" benchmarks/encoders/compare.py "$program" "$@"
