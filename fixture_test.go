package sigattn

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sigattn/sigattn/internal/abi"
)

// kernelName follows the generator's names closely enough for tests.
func kernelName(p Pass, a Arch, tileM, tileN int) string {
	return fmt.Sprintf("sigattn_%v_sm%d_d128_bf16_full_%dx%dx2w4", p, int(a), tileM, tileN)
}

func kernelInfo(p Pass, a Arch, tileM, tileN, sharedBytes int) KernelInfo {
	return KernelInfo{
		Name: kernelName(p, a, tileM, tileN), Pass: p, Arch: a, TileM: tileM, TileN: tileN, Threads: 128, SharedBytes: sharedBytes,
	}
}

// allPasses are one kernel for each pass.
func allPasses(a Arch) []KernelInfo {
	return []KernelInfo{
		kernelInfo(Forward, a, 128, 64, 98304),
		kernelInfo(BackwardFused, a, 64, 96, 90112),
		kernelInfo(BackwardDKV, a, 64, 128, 90112),
		kernelInfo(BackwardDQ, a, 32, 64, 81920),
		kernelInfo(BackwardFinish, a, 64, 96, 1024),
	}
}

// testImage is "cubin NAME" or "ptx NAME", which the stand-in for the driver loads, as long as a real image is.
func testImage(entry string) []byte {
	stem, kind, _ := strings.Cut(entry, ".")
	return fmt.Appendf(nil, "%s %s\n%0100d", kind, stem, 7)
}

// entry is a file of an archive.
type entry struct {
	name string
	data []byte
}

// makeArchive zips the entries.
func makeArchive(t testing.TB, entries []entry) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		f, err := w.Create(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// entriesOf are the manifest, and each kernel as a cubin and as PTX unless keep refuses an image.
func entriesOf(t testing.TB, kernels []KernelInfo, keep func(image string) bool) []entry {
	t.Helper()
	var m manifest
	entries := make([]entry, 1)
	add := func(image string) string {
		if !keep(image) {
			return ""
		}
		data := testImage(image)
		entries = append(entries, entry{image, data})
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	for _, k := range kernels {
		m.Kernels = append(m.Kernels, manifestKernel{
			Name: k.Name, Arch: k.Arch.String(), SharedBytes: k.SharedBytes,
			CubinSHA256: add(k.Name + cubinSuffix), PTXSHA256: add(k.Name + ptxSuffix),
		})
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	entries[0] = entry{manifestName, text}
	return entries
}

func everyImage(string) bool { return true }

// makePackage holds each kernel as a cubin and as PTX.
func makePackage(t testing.TB, kernels ...KernelInfo) *Package {
	t.Helper()
	return &Package{
		Name: "d128bf16full", HeadDim: 128, DType: BF16, Mask: Full, Sigmoid: Accurate,
		Kernels: kernels, Archive: makeArchive(t, entriesOf(t, kernels, everyImage)),
	}
}

// unloaded is a kernel whose arguments can be checked and planned without a device.
func unloaded(kernels ...KernelInfo) *Kernel {
	k := &Kernel{name: "d128bf16full", headDim: 128, device: SM80, processors: 132, context: 1}
	for _, info := range kernels {
		i := &image{KernelInfo: info}
		if info.mapped() {
			k.mapped[info.Pass] = i
		} else {
			k.images[info.Pass] = i
		}
	}
	return k
}

// checkForward is what a forward call becomes whose kernel takes any tensor.
func checkForward(headDim, tileM int, a *ForwardArgs) (abi.ForwardParams, uint32, error) {
	k := &Kernel{headDim: headDim}
	k.images[Forward] = &image{KernelInfo: KernelInfo{TileM: tileM}}
	f, err := k.planForward("Forward", a)
	return f.params, f.blocks, err
}

// arena hands out distinct device addresses.
type arena struct{ next DevicePtr }

func (a *arena) alloc(bytes int64) DevicePtr {
	a.next = (a.next + 1<<20 + 255) &^ 255
	p := a.next
	a.next += DevicePtr(bytes)
	return p
}

func (a *arena) dense(batch, seqLen, heads, headDim int) Tensor {
	return BSHD(a.alloc(int64(batch)*int64(seqLen)*int64(heads)*int64(headDim)*elementBytes), batch, seqLen, heads, headDim)
}

// shape is a problem's extents.
type shape struct{ batch, seqLenQ, seqLenK, headsQ, headsKV, headDim int }

// usual is a shape without special cases: several batch entries, grouped heads, lengths that differ.
var usual = shape{2, 300, 500, 8, 2, 64}

func forwardArgs(s shape) ForwardArgs {
	var a arena
	return ForwardArgs{
		Q: a.dense(s.batch, s.seqLenQ, s.headsQ, s.headDim),
		K: a.dense(s.batch, s.seqLenK, s.headsKV, s.headDim),
		V: a.dense(s.batch, s.seqLenK, s.headsKV, s.headDim),
		O: a.dense(s.batch, s.seqLenQ, s.headsQ, s.headDim),
	}
}

func backwardArgs(s shape) BackwardArgs {
	var a arena
	q := func() Tensor { return a.dense(s.batch, s.seqLenQ, s.headsQ, s.headDim) }
	kv := func() Tensor { return a.dense(s.batch, s.seqLenK, s.headsKV, s.headDim) }
	return BackwardArgs{
		Q: q(), K: kv(), V: kv(), DO: q(), DQ: q(), DK: kv(), DV: kv(),
		DBias:     a.alloc(4 * int64(s.headsQ)),
		Workspace: a.alloc(1 << 40), WorkspaceBytes: 1 << 40,
	}
}
