#!/usr/bin/env bash
# Builds and runs the selection benchmark: benchmarks/selection.sh [repetitions]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${D2C_BENCHMARK_BUILD:-$root/build/benchmarks}
mkdir -p "$build"
"${CXX:-g++}" -std=c++20 -O3 -DNDEBUG -I"$root/include" "$root/benchmarks/selection.cpp" -o "$build/selection"
exec "$build/selection" "$@"
