package gen

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// manifestName is the archive entry that holds the Manifest.
const manifestName = "manifest.json"

// generator marks a Manifest as ours.
const generator = "sigattn-gen"

// Manifest says what an archive's images were made from, and by what.
type Manifest struct {
	Generator string           `json:"generator"`
	Compiler  string           `json:"compiler"` // "NVRTC 13.0"
	Kernels   []ManifestKernel `json:"kernels"`
}

// ManifestKernel is one kernel's entry. Registers, spills and the stack are per thread, shared memory is per block.
type ManifestKernel struct {
	Name              string   `json:"name"`
	Arch              string   `json:"arch"`
	SourceSHA256      string   `json:"source_sha256"`
	Options           []string `json:"options"`
	CubinSHA256       string   `json:"cubin_sha256"`
	PTXSHA256         string   `json:"ptx_sha256,omitempty"` // "" where the archive holds no PTX of it
	Registers         int      `json:"registers"`
	SpillStoreBytes   int      `json:"spill_store_bytes"`
	SpillLoadBytes    int      `json:"spill_load_bytes"`
	StackBytes        int      `json:"stack_bytes"`
	StaticSharedBytes int      `json:"static_shared_bytes"`
	SharedBytes       int      `json:"shared_bytes"` // dynamic
}

// Report is what the compiler reported of k.
func (k ManifestKernel) Report() Report {
	return Report{
		Registers:         k.Registers,
		SpillStoreBytes:   k.SpillStoreBytes,
		SpillLoadBytes:    k.SpillLoadBytes,
		StaticSharedBytes: k.StaticSharedBytes,
		StackBytes:        k.StackBytes,
	}
}

// newManifest describes a package's kernels and their images, which are in the same order.
func newManifest(compiler string, p renderedPackage, images []Image) Manifest {
	m := Manifest{Generator: generator, Compiler: compiler}
	for i, k := range p.kernels {
		entry := expectedEntry(p, k)
		r := images[i].Report
		entry.Registers, entry.SpillStoreBytes, entry.SpillLoadBytes = r.Registers, r.SpillStoreBytes, r.SpillLoadBytes
		entry.StackBytes, entry.StaticSharedBytes = r.StackBytes, r.StaticSharedBytes
		entry.CubinSHA256 = digest(images[i].Cubin)
		if p.carriesPTX(k.plan) {
			entry.PTXSHA256 = digest(images[i].PTX)
		}
		m.Kernels = append(m.Kernels, entry)
	}
	return m
}

// expectedEntry is what k's entry must say whatever the compiler.
func expectedEntry(p renderedPackage, k kernel) ManifestKernel {
	return ManifestKernel{
		Name:         k.plan.Name(),
		Arch:         k.plan.Arch.String(),
		SourceSHA256: digest(k.source),
		Options:      CompilerOptions(k.plan.Arch),
		SharedBytes:  k.plan.SharedBytes,
	}
}

func (m Manifest) encode() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
