# sigattn's build. `make help` lists the targets; plain `go build ./... && go test ./...` works too, without NVRTC.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
.PHONY: all help nvrtc build generate verify list bench sanitize
.PHONY: mutants test tidy format vet systems lint unit check downstream clean distclean

GEN := bin/sigattn-gen

# What cgo and the tests need to find NVRTC in .cuda. The program finds it beside itself, or in a toolkit's usual place;
# DT_RPATH, unlike the default DT_RUNPATH, also serves libnvrtc when it opens libnvrtc-builtins.
export CGO_CFLAGS := -I$(CURDIR)/.cuda/include
export CGO_LDFLAGS := -L$(CURDIR)/.cuda/lib -Wl,--disable-new-dtags -Wl,-rpath,$$ORIGIN/../.cuda/lib -Wl,-rpath,/usr/local/cuda/lib64
export LD_LIBRARY_PATH := $(CURDIR)/.cuda/lib$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

all: generate verify list ## Generate and compile the default matrix, verify it on the GPU or emulated, print it

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1:/p' $(MAKEFILE_LIST) | while IFS=: read -r target does; do printf '%-12s %s\n' "$$target" "$$does"; done

nvrtc: ## Provide NVRTC in .cuda: a toolkit's, or the pinned wheels
	@scripts/fetch-nvrtc

build: nvrtc ## Build bin/sigattn-gen
	go build -tags nvrtc -o $(GEN) ./cmd/sigattn-gen

generate: build ## Generate the default matrix into generated/ and compile all of it, the second time from the cache
	$(GEN) --recompile

verify: build ## Compare the kernels with the float64 reference, on the GPU if there is one, else on the emulator
	$(GEN) verify --on auto

list: build ## Print the matrix: each kernel's tile, registers and shared memory
	$(GEN) list

bench: build ## Time the kernels (needs a GPU)
	$(GEN) bench

sanitize: build ## Run the kernels under compute-sanitizer (needs a GPU and a CUDA toolkit)
	scripts/sanitize.sh $(GEN)

mutants: ## Plant faults in kernels' PTX, one at a time, and demand that the emulator finds them
	go test ./verify -run TestMutants -mutants -v -timeout 60m

test: tidy format vet systems lint unit check downstream ## Check all that can be checked on this machine

tidy: ## Check go.mod and go.sum, those of the modules under examples/ too
	@for module in . $(dir $(wildcard examples/*/go.mod)); do (cd $$module && go mod tidy -diff); done

format: ## Check gofmt
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }

vet: nvrtc ## Vet with NVRTC, and without it or any cgo
	CGO_ENABLED=0 go vet ./...
	go vet -tags nvrtc ./...

systems: ## Build the packages that users import for every system that Go knows
	@for system in $$(go tool dist list | sort -t / -k 1,1 -u); do \
		echo "build for $$system"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go build . ./internal/driver ./generated/...; \
	done

lint: nvrtc ## Run staticcheck
	go tool staticcheck ./...
	go tool staticcheck -tags nvrtc ./...

unit: nvrtc ## Run the tests, without NVRTC and with it
	go test ./...
	go test -tags nvrtc ./...

# Another NVRTC than the pinned one makes other machine code of the same sources.
check: build ## Check that generated/ is what the generator and NVRTC make, byte for byte
	$(GEN) --check $(if $(CUDA_HOME),,--recompile)

downstream: ## Generate and build the modules under examples/ that use this one, without cgo and NVRTC
	@for module in $(dir $(wildcard examples/*/go.mod)); do \
		echo "$$module"; \
		(cd $$module && export CGO_ENABLED=0 && go generate ./... && go vet ./... && go test ./...); \
	done

clean: ## Remove what was built
	rm -rf bin

distclean: clean ## Remove NVRTC too
	rm -rf .cuda
