#!/usr/bin/env bash
# Builds examples/besidecu with gorgonia.org/cu as bin/besidecu. cu needs cgo, cuda.h and a libcuda to link against: the
# headers are those that `make nvrtc` provides, and the library is a stand-in made here, so that it takes neither a CUDA
# toolkit nor a driver. To run, the program needs the driver.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/fetch-nvrtc

# Every name of the driver's API in cuda.h, as an empty function.
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
{
    grep -oE '\bcu[A-Z][A-Za-z0-9_]*' .cuda/include/cuda.h | sort -u | sed 's/.*/void &(void) {}/'
} > "$temp/cuda.c"
"${CC:-cc}" -w -fno-builtin -shared -Wl,-soname,libcuda.so.1 -o "$temp/libcuda.so" "$temp/cuda.c"

CGO_ENABLED=1 \
CGO_CFLAGS="-I$PWD/examples/besidecu/include -I$PWD/.cuda/include" \
CGO_LDFLAGS="-L$temp" \
    go build -tags cu -trimpath -o bin/besidecu ./examples/besidecu
