#!/usr/bin/env bash
# Runs every kernel on short shapes under compute-sanitizer's memcheck, racecheck and initcheck, on a machine with a GPU
# and a CUDA toolkit. Exit status: 0 nothing was found; 1 something was, or a result was wrong; 2 it could not run.
# Arguments after BIN go to `BIN verify`. TOOLS names other tools than these three.
#
#     scripts/sanitize.sh bin/sigattn-gen [ARGUMENT…]
set -euo pipefail
bin=${1:?usage: scripts/sanitize.sh BIN [ARGUMENT…]}
shift
PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
command -v compute-sanitizer >/dev/null || { echo "sanitize.sh: no compute-sanitizer on PATH or under CUDA_HOME" >&2; exit 2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Warnings of racecheck do not change compute-sanitizer's status, so its summary is read too.
clean='ERROR SUMMARY: 0 errors|RACECHECK SUMMARY: 0 hazards displayed'
status=0
for tool in ${TOOLS:-memcheck racecheck initcheck}; do
    echo "== $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 3 "$bin" verify --on gpu --level short --bare "$@" 2>&1 | tee "$log" || status=1
    grep -Eq "$clean" "$log" || { echo "$tool: not clean"; status=1; }
done
exit $status
