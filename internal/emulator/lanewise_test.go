package emulator

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// lanewise computes one lane of an instruction from its sources, independently of how the emulator does. Where the
// instruction has them, predicates are 0 or 1.
type lanewise func(x []uint64) uint64

func f32(x uint64) float64 { return float64(math.Float32frombits(uint32(x))) }

func f32bits(x float64) uint64 {
	if x != x {
		return canonicalNaN
	}
	return uint64(math.Float32bits(float32(x)))
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// exact evaluates a·b + c in unbounded precision and rounds once.
func exact(a, b, c float64) uint64 {
	if math.IsNaN(a*b+c) || math.IsInf(a*b+c, 0) && (math.IsInf(a, 0) || math.IsInf(b, 0) || math.IsInf(c, 0)) {
		return f32bits(a*b + c)
	}
	x := func(v float64) *big.Float { return new(big.Float).SetPrec(2000).SetFloat64(v) }
	sum := x(0).Add(x(0).Mul(x(a), x(b)), x(c))
	if sum.Sign() == 0 {
		return f32bits(a*b + c) // the sign of zero
	}
	r, _ := sum.Float32()
	return uint64(math.Float32bits(r))
}

// nearest16 finds the encoding of a 16-bit float that is nearest to a value by trying all, ties to the even one.
func nearest16(decode func(uint16) float64, infinity uint16, x float64) uint64 {
	if x != x {
		return canonicalNaN16
	}
	sign := uint16(0)
	if math.Signbit(x) {
		sign, x = 0x8000, -x
	}
	low, high := uint16(0), infinity // decode grows with the encoding
	for low < high {
		mid := (low + high) / 2
		if decode(mid) < x {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == 0 || low == infinity && math.IsInf(x, 1) {
		return uint64(sign | low)
	}
	above := decode(low)
	if low == infinity { // rounding treats infinity as the next number of the binade
		above = decode(infinity-1) + (decode(infinity-1) - decode(infinity-2))
	}
	toAbove, toBelow := above-x, x-decode(low-1)
	if toBelow < toAbove || toBelow == toAbove && low%2 == 1 {
		low--
	}
	return uint64(sign | low)
}

func decodeFP16(x uint16) float64 {
	e, m := int(x>>10&31), float64(x&1023)
	v := math.Ldexp(1024+m, e-25)
	switch {
	case e == 0:
		v = math.Ldexp(m, -24)
	case e == 31 && m == 0:
		v = math.Inf(1)
	case e == 31:
		v = math.NaN()
	}
	if x>>15 != 0 {
		v = -v
	}
	return v
}

func decodeBF16(x uint16) float64 { return float64(math.Float32frombits(uint32(x) << 16)) }

func fp16(x float64) uint64 { return nearest16(decodeFP16, 0x7c00, x) }
func bf16(x float64) uint64 { return nearest16(decodeBF16, 0x7f80, x) }

// noSubnormal is what .ftz makes of a float32.
func noSubnormal(x uint64) uint64 {
	if v := f32(x); v != 0 && math.Abs(v) < 0x1p-126 {
		return x & 0x80000000
	}
	return x
}

// extreme is min or max of floats: by value, -0 below +0, a NaN only where both are or where NaN is kept.
func extreme(a, b float64, larger, keepNaN bool) float64 {
	switch {
	case a != a && b != b, keepNaN && (a != a || b != b):
		return math.NaN()
	case a != a:
		return b
	case b != b:
		return a
	case larger:
		return math.Max(a, b)
	}
	return math.Min(a, b)
}

// pairwise applies a function to both halves.
func pairwise(decode func(uint16) float64, encode func(float64) uint64, f func(a, b float64) float64) lanewise {
	return func(x []uint64) uint64 {
		half := func(shift int) uint64 {
			return encode(f(decode(uint16(x[0]>>shift)), decode(uint16(x[1]>>shift))))
		}
		return half(0) | half(16)<<16
	}
}

// typed is a source as a number of a type.
func typed(x uint64, typ string) *big.Int {
	n := map[string]uint{"8": 8, "16": 16, "32": 32, "64": 64}[typ[1:]]
	v := new(big.Int).SetUint64(x)
	v.And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1)))
	if typ[0] == 's' && v.Bit(int(n)-1) == 1 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), n))
	}
	return v
}

// wrapped is a number in so many bits.
func wrapped(v *big.Int, bits uint) uint64 {
	return new(big.Int).And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), bits), big.NewInt(1))).Uint64()
}

// integer evaluates arithmetic of integers in unbounded precision.
func integer(op, typ string, x []uint64) (uint64, bool) {
	var v [3]*big.Int
	for i := range x {
		if i < 3 {
			v[i] = typed(x[i], typ)
		}
	}
	width := map[string]uint{"16": 16, "32": 32, "64": 64}[typ[1:]]
	r := new(big.Int)
	switch op {
	case "add":
		r.Add(v[0], v[1])
	case "sub":
		r.Sub(v[0], v[1])
	case "mul.lo":
		r.Mul(v[0], v[1])
	case "mul.wide":
		r.Mul(v[0], v[1])
		width *= 2
	case "mul.hi":
		r.Rsh(r.Mul(v[0], v[1]), width)
	case "mad.lo":
		r.Add(r.Mul(v[0], v[1]), v[2])
	case "mad.wide":
		r.Add(r.Mul(v[0], v[1]), new(big.Int).SetUint64(x[2]))
		width *= 2
	case "div", "rem":
		if v[1].Sign() == 0 {
			return 0, false // the ISA leaves it open
		}
		if op == "div" {
			r.Quo(v[0], v[1])
		} else {
			r.Rem(v[0], v[1])
		}
	case "min", "max":
		r = v[0]
		if (v[1].Cmp(v[0]) < 0) == (op == "min") {
			r = v[1]
		}
	case "neg":
		r.Neg(v[0])
	case "abs":
		r.Abs(v[0])
	case "shl":
		r.Lsh(v[0], uint(uint32(x[1])))
	case "shr":
		r.Rsh(v[0], min(uint(uint32(x[1])), 64))
	default:
		return 0, false
	}
	return wrapped(r, width), true
}

// comparison evaluates setp.
func comparison(op string, c int, unordered bool) bool {
	base := strings.TrimSuffix(op, "u")
	if unordered {
		return op == "nan" || base != op
	}
	switch base {
	case "eq", "eqx":
		return c == 0
	case "ne":
		return c != 0
	case "lt":
		return c < 0
	case "le":
		return c <= 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	}
	return op == "num"
}

// bitwise has the functions of single bits.
var bitwise = map[string]func(a, b uint64) uint64{
	"and": func(a, b uint64) uint64 { return a * b }, "or": func(a, b uint64) uint64 { return a + b - a*b },
	"xor": func(a, b uint64) uint64 { return (a + b) % 2 }, "not": func(a, _ uint64) uint64 { return 1 - a },
}

// oneByOne applies a function to each of so many bits.
func oneByOne(bits int, f func(a, b uint64) uint64, x []uint64) (r uint64) {
	second := uint64(0)
	if len(x) > 1 {
		second = x[1]
	}
	for i := range bits {
		r |= f(x[0]>>i&1, second>>i&1) << i
	}
	return r
}

// expectation finds how a form's result is computed; nil where the form is not lane by lane.
func expectation(name string) func(x []uint64) (uint64, bool) {
	always := func(f lanewise) func([]uint64) (uint64, bool) {
		return func(x []uint64) (uint64, bool) { return f(x), true }
	}
	if f, ok := fixed[name]; ok {
		return always(f)
	}
	words := strings.Split(name, ".")
	typ := words[len(words)-1]
	op := strings.TrimSuffix(name, "."+typ)
	switch {
	case words[0] == "setp" && typ == "f32":
		return always(func(x []uint64) uint64 {
			a, b := f32(x[0]), f32(x[1])
			c := 0
			if a < b {
				c = -1
			} else if a > b {
				c = 1
			}
			return truth(comparison(words[1], c, a != a || b != b))
		})
	case words[0] == "setp":
		return always(func(x []uint64) uint64 {
			as := strings.Replace(typ, "b", "u", 1)
			return truth(comparison(words[1], typed(x[0], as).Cmp(typed(x[1], as)), false))
		})
	case words[0] == "selp":
		return always(func(x []uint64) uint64 {
			if x[2] != 0 {
				return x[0]
			}
			return x[1]
		})
	case words[0] == "mov" || words[0] == "cvta":
		return always(func(x []uint64) uint64 { return x[0] })
	case words[0] == "cvt" && len(words) == 3 && words[1][0] != 'f':
		return always(func(x []uint64) uint64 {
			bits := map[string]uint{"16": 16, "32": 32, "64": 64}[words[1][1:]]
			return wrapped(typed(x[0], words[2]), bits)
		})
	case bitwise[op] != nil:
		bits := map[string]int{"pred": 1, "b16": 16, "b32": 32, "b64": 64}[typ]
		return always(func(x []uint64) uint64 { return oneByOne(bits, bitwise[op], x) })
	case typ[0] == 'b' && (op == "shl" || op == "shr"):
		return func(x []uint64) (uint64, bool) {
			if op == "shl" && uint32(x[1]) > 64 {
				return 0, true
			}
			return integer(op, "u"+typ[1:], x)
		}
	case len(typ) == 3 && (typ[0] == 's' || typ[0] == 'u'):
		if _, ok := integer(op, typ, []uint64{1, 1, 1}); ok {
			return func(x []uint64) (uint64, bool) { return integer(op, typ, x) }
		}
	}
	return nil
}

// fixed are forms with an expectation of their own.
var fixed = map[string]lanewise{
	"popc.b32": func(x []uint64) uint64 {
		return uint64(strings.Count(fmt.Sprintf("%b", uint32(x[0])), "1"))
	},
	"clz.b32": func(x []uint64) uint64 {
		return uint64(32 - len(strings.TrimLeft(fmt.Sprintf("%032b", uint32(x[0])), "0")))
	},
	"brev.b32": func(x []uint64) (r uint64) {
		for i := range 32 {
			r |= x[0] >> i & 1 << (31 - i)
		}
		return r
	},
	"bfi.b32": func(x []uint64) uint64 {
		r := x[1]
		for i := range min(x[3]&0xff, 32) {
			if at := x[2]&0xff + i; at < 32 {
				r = r&^(1<<at) | x[0]>>i&1<<at
			}
		}
		return r
	},
	"prmt.b32": func(x []uint64) uint64 {
		bytes := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(x[0])), uint32(x[1]))
		var r uint64
		for i := range 4 {
			pick := x[2] >> (4 * i) & 15
			b := bytes[pick%8]
			if pick >= 8 {
				b = byte(int8(b) >> 7)
			}
			r |= uint64(b) << (8 * i)
		}
		return r
	},
	"lop3.b32": func(x []uint64) (r uint64) { // the literal is 0xCA: a selects b or c
		return x[0]&x[1] | ^x[0]&x[2]&0xffffffff
	},
	"add.f32":    func(x []uint64) uint64 { return f32bits(f32(x[0]) + f32(x[1])) },
	"sub.f32":    func(x []uint64) uint64 { return f32bits(f32(x[0]) - f32(x[1])) },
	"mul.f32":    func(x []uint64) uint64 { return exact(f32(x[0]), f32(x[1]), math.Copysign(0, f32(x[0])*f32(x[1]))) },
	"add.rn.f32": func(x []uint64) uint64 { return f32bits(f32(x[0]) + f32(x[1])) },
	"sub.rn.f32": func(x []uint64) uint64 { return f32bits(f32(x[0]) - f32(x[1])) },
	"mul.rn.f32": func(x []uint64) uint64 { return exact(f32(x[0]), f32(x[1]), math.Copysign(0, f32(x[0])*f32(x[1]))) },
	"add.ftz.f32": func(x []uint64) uint64 {
		return noSubnormal(f32bits(f32(noSubnormal(x[0])) + f32(noSubnormal(x[1]))))
	},
	"sub.ftz.f32": func(x []uint64) uint64 {
		return noSubnormal(f32bits(f32(noSubnormal(x[0])) - f32(noSubnormal(x[1]))))
	},
	"mul.sat.f32": func(x []uint64) uint64 {
		if p := f32(x[0]) * f32(x[1]); p > 0 { // no NaN, and no -0
			return f32bits(math.Min(p, 1))
		}
		return 0
	},
	"mul.ftz.f32": func(x []uint64) uint64 {
		return noSubnormal(f32bits(f32(noSubnormal(x[0])) * f32(noSubnormal(x[1]))))
	},
	"fma.rn.f32": func(x []uint64) uint64 { return exact(f32(x[0]), f32(x[1]), f32(x[2])) },
	"fma.rn.ftz.f32": func(x []uint64) uint64 {
		return noSubnormal(exact(f32(noSubnormal(x[0])), f32(noSubnormal(x[1])), f32(noSubnormal(x[2]))))
	},
	"neg.f32":              func(x []uint64) uint64 { return x[0] ^ 1<<31 },
	"abs.f32":              func(x []uint64) uint64 { return x[0] &^ (1 << 31) },
	"min.f32":              func(x []uint64) uint64 { return f32bits(extreme(f32(x[0]), f32(x[1]), false, false)) },
	"max.f32":              func(x []uint64) uint64 { return f32bits(extreme(f32(x[0]), f32(x[1]), true, false)) },
	"min.NaN.f32":          func(x []uint64) uint64 { return f32bits(extreme(f32(x[0]), f32(x[1]), false, true)) },
	"max.NaN.f32":          func(x []uint64) uint64 { return f32bits(extreme(f32(x[0]), f32(x[1]), true, true)) },
	"min.NaN.f16x2":        pairwise(decodeFP16, fp16, func(a, b float64) float64 { return extreme(a, b, false, true) }),
	"max.NaN.f16x2":        pairwise(decodeFP16, fp16, func(a, b float64) float64 { return extreme(a, b, true, true) }),
	"min.NaN.bf16x2":       pairwise(decodeBF16, bf16, func(a, b float64) float64 { return extreme(a, b, false, true) }),
	"max.NaN.bf16x2":       pairwise(decodeBF16, bf16, func(a, b float64) float64 { return extreme(a, b, true, true) }),
	"cvt.rn.f32.s32":       func(x []uint64) uint64 { return f32bits(float64(int32(x[0]))) },
	"cvt.rn.f32.u32":       func(x []uint64) uint64 { return f32bits(float64(uint32(x[0]))) },
	"cvt.rzi.s32.f32":      func(x []uint64) uint64 { return clamped(math.Trunc(f32(x[0])), math.MinInt32, math.MaxInt32) },
	"cvt.rni.s32.f32":      func(x []uint64) uint64 { return clamped(math.RoundToEven(f32(x[0])), math.MinInt32, math.MaxInt32) },
	"cvt.rzi.u32.f32":      func(x []uint64) uint64 { return clamped(math.Trunc(f32(x[0])), 0, math.MaxUint32) },
	"cvt.rni.u32.f32":      func(x []uint64) uint64 { return clamped(math.RoundToEven(f32(x[0])), 0, math.MaxUint32) },
	"cvt.f32.f16":          func(x []uint64) uint64 { return f32bits(decodeFP16(uint16(x[0]))) },
	"cvt.f32.bf16":         func(x []uint64) uint64 { return f32bits(decodeBF16(uint16(x[0]))) },
	"cvt.rn.f16.f32":       func(x []uint64) uint64 { return fp16(f32(x[0])) },
	"cvt.rn.bf16.f32":      func(x []uint64) uint64 { return bf16(f32(x[0])) },
	"cvt.rn.f16x2.f32":     func(x []uint64) uint64 { return fp16(f32(x[0]))<<16 | fp16(f32(x[1])) },
	"cvt.rn.bf16x2.f32":    func(x []uint64) uint64 { return bf16(f32(x[0]))<<16 | bf16(f32(x[1])) },
	"ex2.approx.ftz.f32":   func(x []uint64) uint64 { return noSubnormal(f32bits(math.Pow(2, f32(noSubnormal(x[0]))))) },
	"rcp.approx.ftz.f32":   func(x []uint64) uint64 { return noSubnormal(f32bits(1 / f32(noSubnormal(x[0])))) },
	"rsqrt.approx.ftz.f32": func(x []uint64) uint64 { return noSubnormal(f32bits(1 / math.Sqrt(f32(noSubnormal(x[0]))))) },
	"lg2.approx.ftz.f32":   func(x []uint64) uint64 { return noSubnormal(f32bits(math.Log2(f32(noSubnormal(x[0]))))) },
	"tanh.approx.f32":      func(x []uint64) uint64 { return f32bits(math.Tanh(f32(x[0]))) },
}

// clamped is a rounded float as an integer within limits.
func clamped(x, low, high float64) uint64 {
	if x != x {
		return 0
	}
	return uint64(uint32(int64(math.Max(low, math.Min(high, x)))))
}

// operandValues are what sources take: corners of every type, then random bits.
func operandValues(r *rand.Rand, n int) []uint64 {
	corners := []uint64{
		0, 1, 2, 3, 7, 15, 16, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x3c00, 0x3c01, 0x7bff, 0x7c00, 0xfc00, 0x7c01, 0x0001, 0x0400,
		0x3f800000, 0xbf800000, 0x3f800001, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa57fa5, 0x00000001, 0x807fffff, 0x00800000, 0x80800000, 0x477fefff,
		0x477ff000, 0x33000000, 0x33000001, 0x387fc000, 0x3f808000, 0x3f818000, 0x42fe0000, 0xc2fc0000, 0xc3000000, 0x4f000000, 0xcf000000, 0x4f800000, 0x3f000000, 0x40200000,
		0x80000000, 0x7fffffff, 0xffffffff, 0x8000000000000000, 0x7fffffffffffffff, 0xffffffffffffffff, 0xffffffff00000000, 0x0123456789abcdef,
	}
	all := make([]uint64, n)
	for i := range all {
		switch r.IntN(4) {
		case 0:
			all[i] = r.Uint64()
		case 1: // floats near each other, so that sums cancel
			all[i] = uint64(math.Float32bits(float32(r.NormFloat64()))) | r.Uint64()<<32
		default:
			all[i] = corners[r.IntN(len(corners))]
		}
	}
	return all
}

// laneProgram loads a form's sources from in, runs it and stores what it gives.
func laneProgram(f *ptx.Form) string {
	var b strings.Builder
	var operands []string
	prefix := map[ptx.Width]string{ptx.W1: "%p", ptx.W16: "%h", ptx.W32: "%r", ptx.W64: "%d"}
	load := map[ptx.Width]string{ptx.W16: "u16", ptx.W32: "u32", ptx.W64: "u64"}
	b.WriteString("mov.u32 %r30, %ctaid.x; mov.u32 %r31, %ntid.x; mad.lo.s32 %r32, %r30, %r31, %tid;\n" +
		"mul.wide.u32 %mine, %r32, 8; add.s64 %mine, %mine, %out; mul.wide.u32 %d10, %r32, 32; add.s64 %d10, %d10, %in;\n")
	for i, o := range f.Operands {
		name := fmt.Sprintf("%s%d", prefix[o.Width], i)
		switch {
		case o.Class == ptx.LiteralClass:
			name = "0xCA"
		case i < f.Destinations:
		case o.Width == ptx.W1:
			fmt.Fprintf(&b, "ld.global.u8 %%h10, [%%d10+%d];\nsetp.ne.u16 %s, %%h10, 0;\n", 8*(i-1), name)
		default:
			fmt.Fprintf(&b, "ld.global.%s %s, [%%d10+%d];\n", load[o.Width], name, 8*(i-1))
		}
		operands = append(operands, name)
	}
	fmt.Fprintf(&b, "%s %s;\n", f.Name, strings.Join(operands, ", "))
	switch f.Operands[0].Width {
	case ptx.W1:
		b.WriteString("selp.u32 %r20, 1, 0, %p0;\nst.global.u32 [%mine], %r20;\n")
	case ptx.W16:
		b.WriteString("st.global.u16 [%mine], %h0;\n")
	case ptx.W32:
		b.WriteString("st.global.u32 [%mine], %r0;\n")
	case ptx.W64:
		b.WriteString("st.global.u64 [%mine], %d0;\n")
	}
	return program(b.String())
}

// TestLanewise runs every form that works lane by lane on many operands.
func TestLanewise(t *testing.T) {
	const threads, blocks = 256, 16
	for _, f := range ptx.Forms() {
		if ofHopper(f.Name) {
			continue
		}
		want := expectation(f.Name)
		if want == nil {
			if !collective[f.Name] && !moves(f.Name) {
				t.Errorf("%s has no test", f.Name)
			}
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			values := operandValues(rand.New(rand.NewPCG(1, 2)), 4*threads*blocks)
			for i, o := range f.Operands[1:] { // sources as wide as the form's
				for j := i; j < len(values); j += 4 {
					values[j] &= 1<<o.Width - 1
				}
			}
			var in []byte
			for _, x := range values {
				in = binary.LittleEndian.AppendUint64(in, x)
			}
			got := machine{threads: threads, blocks: blocks, in: in}.words(t, laneProgram(f))
			wrong := 0
			for i, x := range got {
				sources := values[4*i : 4*i+len(f.Operands)-1]
				w, defined := want(sources)
				if defined && x != w {
					if wrong++; wrong <= 5 {
						t.Errorf("of %#x: %#x, want %#x", sources, x, w)
					}
				}
			}
		})
	}
}
