package verify

import (
	"errors"
	"math"
	"reflect"
	"sort"

	"github.com/sigattn/sigattn"
)

// fault is something wrong with a fakeKernel; its zero value is a kernel without fault.
type fault struct {
	maskShift    int     // added to the last key that a causal query sees
	scaleFactor  float64 // of the logits, where not 0
	biasOffset   float64
	dropKeys     [2]int  // half-open range of keys that are left out
	wrongHead    bool    // query heads read KV head h mod HeadsKV
	sigmoidError float64 // relative
	truncate     bool    // outputs are rounded towards 0
	coarseP      bool    // P loses two bits more
	flushDS      bool    // dS below 2^-14 becomes 0, as without a scale in fp16
	multiplyMask bool    // invisible pairs count with P = 0, so that their NaN leak
	staleRow     bool    // the last row of O and dQ is not written
	strayWrite   bool    // one element behind the last row of O and dQ is overwritten
	spoilInput   bool    // one element of K is overwritten
	workspace    bool    // writes behind the workspace
	skipBatch    bool    // dbias leaves out batch entry 0
	everyThird   bool    // every third launch differs in one bit
	thirdRow     bool    // and in its last row of O or dQ
	thirdBias    bool    // and in one bit of dbias
	unscaledDK   bool    // dK lacks the factor scale
}

// fakeDevice is a Device in host memory.
type fakeDevice struct {
	fault
	blocks    []fakeBlock // by address
	next      sigattn.DevicePtr
	launches  int
	beside    int // launches on the second stream
	captured  []func()
	fail      error // of every launch
	loadError error
}

type fakeBlock struct {
	base sigattn.DevicePtr
	data []uint16
}

const (
	fakeStream sigattn.Stream = 1 + iota
	fakeBeside
	fakeCapture
)

const fakeOnBeside = 4 // launches on the second stream for each on the first

func (d *fakeDevice) Machine() Machine           { return Machine{Name: "fake", Arch: sigattn.SM80} }
func (d *fakeDevice) FreeMemory() (int64, error) { return largeBuffer - 1, nil }
func (d *fakeDevice) Stream() sigattn.Stream     { return fakeStream }
func (d *fakeDevice) Beside() sigattn.Stream     { return fakeBeside }
func (d *fakeDevice) Synchronize() error         { return nil }

func (d *fakeDevice) Alloc(n int64) (sigattn.DevicePtr, error) {
	d.next = (d.next + 1<<20) &^ 255
	block := fakeBlock{d.next, make([]uint16, n/2)}
	d.blocks = append(d.blocks, block)
	d.next += sigattn.DevicePtr(n)
	return block.base, nil
}

func (d *fakeDevice) Free(p sigattn.DevicePtr) error {
	i := d.find(p)
	if i < 0 || d.blocks[i].base != p {
		return errors.New("free of what was not allocated")
	}
	d.blocks = append(d.blocks[:i], d.blocks[i+1:]...)
	return nil
}

func (d *fakeDevice) find(p sigattn.DevicePtr) int {
	return sort.Search(len(d.blocks), func(i int) bool { return d.blocks[i].base > p }) - 1
}

// at is n elements of device memory; it panics outside of every block.
func (d *fakeDevice) at(p sigattn.DevicePtr, n int64) []uint16 {
	b := d.blocks[d.find(p)]
	from := int64(p-b.base) / 2
	return b.data[from : from+n : from+n]
}

func (d *fakeDevice) Write(dst sigattn.DevicePtr, src []uint16) error {
	copy(d.at(dst, int64(len(src))), src)
	return nil
}

func (d *fakeDevice) Read(dst []uint16, src sigattn.DevicePtr) error {
	copy(dst, d.at(src, int64(len(dst))))
	return nil
}

func (d *fakeDevice) Fill(dst sigattn.DevicePtr, word uint32, n int64) error {
	x := d.at(dst, 2*n)
	for i := range x {
		x[i] = uint16(word >> (16 * (i % 2)))
	}
	return nil
}

func (d *fakeDevice) Capture(launch func(sigattn.Stream) error) (replay, release func() error, err error) {
	d.captured = nil
	if err := launch(fakeCapture); err != nil {
		return nil, nil, err
	}
	work := d.captured
	replay = func() error {
		for _, f := range work {
			f()
		}
		return nil
	}
	return replay, func() error { return nil }, nil
}

func (d *fakeDevice) Load(p *sigattn.Package) (Kernel, error) {
	if d.loadError != nil {
		return nil, d.loadError
	}
	return &fakeKernel{d, p, storageOf(p.DType)}, nil
}

// submit runs a launch, or records it.
func (d *fakeDevice) submit(s sigattn.Stream, work func()) error {
	switch {
	case d.fail != nil:
		return d.fail
	case s == fakeCapture:
		d.captured = append(d.captured, work)
	default:
		work()
	}
	return nil
}

// fakeKernel computes with P and dS rounded to storage and everything else in float64, one pair at a time.
type fakeKernel struct {
	*fakeDevice
	of      *sigattn.Package
	storage *storage
}

func (k *fakeKernel) Close() error { return nil }

func (k *fakeKernel) Info() sigattn.Info {
	info := sigattn.Info{Package: k.of.Name, Device: sigattn.SM80, Processors: 4}
	for _, i := range k.of.Kernels {
		info.Images = append(info.Images, sigattn.ImageInfo{KernelInfo: i})
	}
	return info
}

// ForwardImage is the first: a fake has no rule about tensors.
func (k *fakeKernel) ForwardImage(sigattn.ForwardArgs) (sigattn.ImageInfo, error) {
	return imagesOf(k.Info(), sigattn.Forward)[0], nil
}

// BackwardImage is the first of the mode.
func (k *fakeKernel) BackwardImage(a sigattn.BackwardArgs) (sigattn.ImageInfo, error) {
	pass := sigattn.BackwardFused
	if a.Deterministic {
		pass = sigattn.BackwardDKV
	}
	return imagesOf(k.Info(), pass)[0], nil
}

// fakeWorkspace is what every backward launch asks for.
const fakeWorkspace = 1024

func (k *fakeKernel) WorkspaceSize(sigattn.BackwardArgs) (int64, error) { return fakeWorkspace, nil }

// row is one vector of a tensor in device memory.
func (k *fakeKernel) row(t sigattn.Tensor, b, i, h int) []uint16 {
	offset := int64(b)*t.StrideBatch + int64(i)*t.StrideSeq + int64(h)*t.StrideHead
	return k.at(t.Data+sigattn.DevicePtr(2*offset), int64(t.HeadDim))
}

func (k *fakeKernel) dot(x, y []uint16) (sum float64) {
	for c := range x {
		sum += k.storage.decode(x[c]) * k.storage.decode(y[c])
	}
	return sum
}

// write stores a row of results.
func (k *fakeKernel) write(t sigattn.Tensor, b, i, h int, x []float64) {
	if k.staleRow && i == t.SeqLen-1 && t.Heads > 0 && h == t.Heads-1 {
		return
	}
	row := k.row(t, b, i, h)
	for c, v := range x {
		if k.truncate {
			v -= math.Copysign(min(math.Abs(v), k.storage.spacing(v)/2), v)
		}
		row[c] = k.storage.encode(v)
	}
}

// done is what happens behind a launch's last row.
func (k *fakeKernel) done(out, in sigattn.Tensor) {
	k.launches++
	n := out.Batch * out.SeqLen * out.Heads
	if n == 0 || in.SeqLen == 0 {
		return
	}
	last := k.row(out, out.Batch-1, out.SeqLen-1, out.Heads-1)
	if k.everyThird && k.launches%3 == 0 {
		last[0] ^= 1
	}
	if k.thirdRow && k.launches%3 == 0 {
		clear(last)
	}
	if k.strayWrite {
		offset := int64(out.Batch-1)*out.StrideBatch + int64(out.SeqLen-1)*out.StrideSeq + int64(out.Heads-1)*out.StrideHead
		k.at(out.Data+sigattn.DevicePtr(2*(offset+int64(out.HeadDim))), 1)[0] = 0
	}
	if k.spoilInput {
		k.row(in, 0, 0, 0)[0] ^= 1
	}
}

// logits are a launch's scale and bias.
func (k *fakeKernel) logits(q, keys sigattn.Tensor, scale float32, bias sigattn.Bias) (float64, float64) {
	s, b := 1/math.Sqrt(float64(q.HeadDim)), -math.Log(float64(keys.SeqLen))
	if scale != 0 {
		s = float64(scale)
	}
	if bias != (sigattn.Bias{}) {
		b = reflect.ValueOf(bias).FieldByName("value").Float()
	}
	if k.scaleFactor != 0 {
		s *= k.scaleFactor
	}
	return s, b + k.biasOffset
}

// probability is P and 1−P of a pair; seen is false where it does not count at all.
func (k *fakeKernel) probability(i, j int, q, keys sigattn.Tensor, logit float64) (p, rest float64, seen bool) {
	if j >= k.dropKeys[0] && j < k.dropKeys[1] {
		return 0, 0, false
	}
	p, rest = sigmoid(logit)
	if k.of.Mask == sigattn.Causal && j > i+keys.SeqLen-q.SeqLen+k.maskShift {
		return 0 * p, 0, k.multiplyMask
	}
	return p * (1 + k.sigmoidError), rest, true
}

// kvHead is the KV head that query head h reads.
func (k *fakeKernel) kvHead(q, keys sigattn.Tensor, h int) int {
	if k.wrongHead {
		return h % keys.Heads
	}
	return h / (q.Heads / keys.Heads)
}

func (k *fakeKernel) roundP(p float64) float64 {
	if k.coarseP {
		return math.RoundToEven(p/k.storage.precisionSpacing(p)/4) * 4 * k.storage.precisionSpacing(p)
	}
	return k.storage.roundPrecision(p)
}

func (k *fakeKernel) Forward(s sigattn.Stream, a sigattn.ForwardArgs) error {
	if s == fakeBeside {
		k.beside++
		return nil
	}
	return k.submit(s, func() { k.forward(a) })
}

func (k *fakeKernel) forward(a sigattn.ForwardArgs) {
	scale, bias := k.logits(a.Q, a.K, a.Scale, a.Bias)
	o := make([]float64, a.Q.HeadDim)
	for b := range a.Q.Batch {
		for h := range a.Q.Heads {
			hk := k.kvHead(a.Q, a.K, h)
			for i := range a.Q.SeqLen {
				clear(o)
				q := k.row(a.Q, b, i, h)
				for j := range a.K.SeqLen {
					p, _, seen := k.probability(i, j, a.Q, a.K, scale*k.dot(q, k.row(a.K, b, j, hk))+bias)
					if seen {
						k.addRow(o, k.roundP(p), k.row(a.V, b, j, hk))
					}
				}
				k.write(a.O, b, i, h, o)
			}
		}
	}
	k.done(a.O, a.K)
}

func (k *fakeKernel) addRow(sum []float64, weight float64, x []uint16) {
	for c, bits := range x {
		sum[c] += weight * k.storage.decode(bits)
	}
}

func (k *fakeKernel) Backward(s sigattn.Stream, a sigattn.BackwardArgs) error {
	return k.submit(s, func() { k.backward(a) })
}

func (k *fakeKernel) backward(a sigattn.BackwardArgs) {
	scale, bias := k.logits(a.Q, a.K, a.Scale, a.Bias)
	dBias := make([]float64, a.Q.Heads)
	used := int64(fakeWorkspace / 2)
	if k.fault.workspace {
		used++
	}
	clear(k.at(a.Workspace, used))
	for b := range a.Q.Batch {
		dK := newSums(a.K)
		dV := newSums(a.K)
		for h := range a.Q.Heads {
			hk := k.kvHead(a.Q, a.K, h)
			for i := range a.Q.SeqLen {
				q, dO, dQ := k.row(a.Q, b, i, h), k.row(a.DO, b, i, h), make([]float64, a.Q.HeadDim)
				for j := range a.K.SeqLen {
					key := k.row(a.K, b, j, hk)
					p, rest, seen := k.probability(i, j, a.Q, a.K, scale*k.dot(q, key)+bias)
					if !seen {
						continue
					}
					dP := k.dot(dO, k.row(a.V, b, j, hk))
					dS := p * rest * dP
					if !k.skipBatch || b > 0 {
						dBias[h] += dS
					}
					if k.flushDS && math.Abs(dS) < 0x1p-14 {
						dS = 0
					}
					dS = k.storage.roundPrecision(dS)
					k.addRow(dQ, scale*dS, key)
					dKScale := scale
					if k.unscaledDK {
						dKScale = 1
					}
					k.addRow(dK[j*a.K.Heads+hk], dKScale*dS, q)
					k.addRow(dV[j*a.K.Heads+hk], k.roundP(p), dO)
				}
				k.write(a.DQ, b, i, h, dQ)
			}
		}
		for j := range a.K.SeqLen {
			for h := range a.K.Heads {
				k.write(a.DK, b, j, h, dK[j*a.K.Heads+h])
				k.write(a.DV, b, j, h, dV[j*a.K.Heads+h])
			}
		}
	}
	if k.thirdBias && k.launches%3 == 2 { // the next is the third
		dBias[0] *= 1 + 0x1p-20
	}
	if a.DBias != 0 {
		for h, x := range dBias {
			bits := math.Float32bits(float32(x))
			copy(k.at(a.DBias+sigattn.DevicePtr(4*h), 2), []uint16{uint16(bits), uint16(bits >> 16)})
		}
	}
	k.done(a.DQ, a.K)
}

// newSums has a zero row for each key and KV head of one batch entry.
func newSums(t sigattn.Tensor) [][]float64 {
	sums := make([][]float64, t.SeqLen*t.Heads)
	for i := range sums {
		sums[i] = make([]float64, t.HeadDim)
	}
	return sums
}
