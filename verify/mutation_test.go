package verify

import (
	"flag"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/emulator/cuda"
)

var allMutants = flag.Bool("mutants", false, "run every mutant of TestMutants, not a sample")

// A mutation plants one fault in a kernel's PTX: it rewrites one of the lines that match.
type mutation struct {
	name  string
	lines *regexp.Regexp
	to    string // of the line, as in regexp.Expand; empty drops it
}

var mutations = []mutation{
	{"barrier dropped", regexp.MustCompile(`(?m)^\s*bar\.sync.*$`), ""},
	{"arrival dropped", regexp.MustCompile(`(?m)^\s*bar\.arrive.*$`), ""},
	{"wait dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group.*$`), ""},
	{"one group not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group 0;$`), "cp.async.wait_group 1;"},
	{"two groups not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group 1;$`), "cp.async.wait_group 2;"},
	{"commit dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.commit_group;$`), ""},
	{"copy dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.cg.*$`), ""},
	{"copy without zero fill", regexp.MustCompile(`(?m)^(\s*cp\.async\.cg.*), 16, %r\d+;$`), "$1, 16;"},
	{"copy to another chunk", regexp.MustCompile(`(?m)^(\s*cp\.async\.cg\S+ \[%r\d+)\](.*)$`), "$1+16]$2"},
	{"fragment transposed", regexp.MustCompile(`(?m)^(\s*ldmatrix\S+x4)(\.shared.*)$`), "$1.trans$2"},
	{"fragment not transposed", regexp.MustCompile(`(?m)^(\s*ldmatrix\S+x4)\.trans(\.shared.*)$`), "$1$2"},
	{"fragment of another chunk", regexp.MustCompile(`(?m)^(\s*ldmatrix.*)\[(%r\d+)\];$`), "$1[$2+16];"},
	{"halves of B swapped", regexp.MustCompile(`(?m)^(\s*mma.*, \{)(%r\d+), (%r\d+)(\}, \{%f.*)$`), "$1$3, $2$4"},
	{"product dropped", regexp.MustCompile(`(?m)^\s*mma\S+ \{(%f\d+), (%f\d+), (%f\d+), (%f\d+)\}.*\{(%f\d+), (%f\d+), (%f\d+), (%f\d+)\};$`), "mov.f32 $1, $5; mov.f32 $2, $6; mov.f32 $3, $7; mov.f32 $4, $8;"},
	{"accumulator not cleared", regexp.MustCompile(`(?m)^(\s*mov\.f32\s+%f\d+), 0f00000000;$`), "$1, 0f3F800000;"},
	{"bound one further", regexp.MustCompile(`(?m)^(\s*)setp\.lt\.s32(\s+%p\d+, %r\d+, %r\d+;)$`), "${1}setp.le.s32$2"},
	{"bound one nearer", regexp.MustCompile(`(?m)^(\s*)setp\.ge\.s32(\s+%p\d+, %r\d+, %r\d+;)$`), "${1}setp.gt.s32$2"},
	{"shared store dropped", regexp.MustCompile(`(?m)^\s*st\.shared.*$`), ""},
	{"global store dropped", regexp.MustCompile(`(?m)^\s*st\.global.*$`), ""},
	{"global store elsewhere", regexp.MustCompile(`(?m)^(\s*st\.global\S+\s+\[%rd\d+)\](.*)$`), "$1+16]$2"},
	{"addition dropped", regexp.MustCompile(`(?m)^\s*red\.relaxed.*$`), ""},
	{"addition twice", regexp.MustCompile(`(?m)^(\s*red\.relaxed.*)$`), "$1 $1"},
	{"swizzle off by one", regexp.MustCompile(`(?m)^(\s*xor\.b32\s+%r\d+, %r\d+), (?:16|32|48|64|96);$`), "$1, 80;"},
	{"sign of the exponent", regexp.MustCompile(`(?m)^(\s*)ex2\.approx\.ftz\.f32 (%f\d+), (%f\d+);$`), "${1}neg.f32 $2, $3; ex2.approx.ftz.f32 $2, $2;"},
	{"reciprocal dropped", regexp.MustCompile(`(?m)^(\s*)rcp\.approx\.ftz\.f32 (%f\d+), (%f\d+);$`), "${1}mov.f32 $2, $3;"},
	{"halves of a pair swapped", regexp.MustCompile(`(?m)^(\s*cvt\.rn\.bf16x2\.f32 %r\d+), (%f\d+), (%f\d+);$`), "$1, $3, $2;"},
	{"any instead of all", regexp.MustCompile(`(?m)^(\s*)vote\.sync\.all`), "${1}vote.sync.any"},
	{"all instead of any", regexp.MustCompile(`(?m)^(\s*)bar\.red\.or`), "${1}bar.red.and"},
}

// mutant is a mutation of one of the lines of one kernel.
type mutant struct {
	mutation
	pass  string // as in the kernel's name
	index int    // of the matching lines
	of    int
}

func (m mutant) String() string {
	return fmt.Sprintf("%s: %s, %d of %d", m.pass, m.name, m.index+1, m.of)
}

func (m mutant) apply(text string) string {
	at := m.lines.FindAllStringSubmatchIndex(text, -1)[m.index]
	return text[:at[0]] + string(m.lines.ExpandString(nil, m.to, text, at)) + text[at[1]:]
}

// trap is a mutant that is found wherever its line is executed: it stores to null beside it.
func (m mutant) trap() *mutant {
	m.to = "st.shared.u32 [0], 0;\n$0"
	return &m
}

// mutantsOf plants each mutation at one place of a kernel, in the middle of those that there are.
func mutantsOf(pass, text string) []mutant {
	var all []mutant
	for _, x := range mutations {
		if n := len(x.lines.FindAllStringIndex(text, -1)); n > 0 {
			all = append(all, mutant{x, pass, n / 2, n})
		}
	}
	return all
}

// besides are the passes that run beside one, in a package that holds no others.
var besides = map[string][]sigattn.Pass{
	"fwd": {sigattn.Forward}, "bwd": {sigattn.BackwardFused, sigattn.BackwardFinish}, "bwdfin": {sigattn.BackwardFused, sigattn.BackwardFinish},
	"bwddkv": {sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish}, "bwddq": {sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish},
}

// only is a package without the kernels that a mutant's pass does not run beside.
func only(p *sigattn.Package, pass string) *sigattn.Package {
	less := *p
	less.Kernels = nil
	for _, k := range p.Kernels {
		if slices.Contains(besides[pass], k.Pass) {
			less.Kernels = append(less.Kernels, k)
		}
	}
	return &less
}

// mutator is a driver that plants a mutant in the kernel of its pass when it is loaded, and remembers what it loads.
type mutator struct {
	*cuda.Driver
	mutant *mutant
	seen   map[string]string // PTX by pass
}

var entryPass = regexp.MustCompile(`\.entry sigattn_([a-z]+)_`)

func (m *mutator) Call(name string, args []uintptr) int32 {
	if name != "cuModuleLoadDataEx" {
		return m.Driver.Call(name, args)
	}
	start := *(*unsafe.Pointer)(unsafe.Pointer(&args[1]))
	n := 0
	for *(*byte)(unsafe.Add(start, n)) != 0 {
		n++
	}
	text := strings.Clone(unsafe.String((*byte)(start), n))
	pass := entryPass.FindStringSubmatch(text)[1]
	m.seen[pass] = text
	if m.mutant != nil && m.mutant.pass == pass {
		text = m.mutant.apply(text)
	}
	bytes := append([]byte(text), 0)
	args = slices.Clone(args)
	args[1] = uintptr(unsafe.Pointer(&bytes[0]))
	defer runtime.KeepAlive(bytes)
	return m.Driver.Call(name, args)
}

// mutantCases are the default level's that mutants meet: few, but between them they run every line that is mutated.
const mutantCases = "^(whole tiles|group|few keys|many keys|hidden|least head dim|many batches):|^head dim: .* d72 bshd|^inputs: b3 h4.*nonfinite"

// runMutant verifies a package with a mutant, or without where it is nil; first as verify does by itself and, where that
// finds nothing, without guard bands.
func runMutant(t *testing.T, p *sigattn.Package, m *mutator) Report {
	t.Helper()
	report := runMutantOnce(t, p, m, false)
	if report.Passed {
		report = runMutantOnce(t, p, m, true)
	}
	return report
}

func runMutantOnce(t *testing.T, p *sigattn.Package, m *mutator, bare bool) Report {
	t.Helper()
	o := Options{Packages: []*sigattn.Package{p}, Level: Default, Bare: bare, Cases: mutantCases}
	r, err := newRun(o)
	if err != nil {
		t.Fatal(err)
	}
	m.Driver, m.seen = cuda.New(emulation(o)), make(map[string]string)
	err = withStandIn(m, m.Driver, func(on Device) error { return r.run(t.Context(), on) })
	if err != nil {
		t.Fatalf("%v: %v", m.mutant, err)
	}
	return r.report
}

// equivalent are the mutants that change no result and break no rule, with the reason.
var equivalent = map[string]string{
	"fwd: accumulator not cleared":     "the sum is only asked whether it is -inf",
	"fwd: bound one further":           "the other operand of every product with that column is zero",
	"bwd: all instead of any":          "the vote is there for its barrier",
	"bwddkv: accumulator not cleared":  "the sum is only asked whether it is -inf",
	"bwddkv: bound one further":        "the other operand of every product with that column is zero",
	"bwddkv: bound one nearer":         "the last query sees every key, so that the loop always has a row",
	"bwddkv: all instead of any":       "the vote is there for its barrier",
	"bwddq: two groups not waited for": "no fragment is kept at this head dim, and the loop waits for every group before it reads",
	"bwddq: sign of the exponent":      "only the sigmoid's slope is used, which is even",
	"bwddq: all instead of any":        "the vote is on a value that every thread has already",
}

// TestMutants plants faults in the kernels of a package, one at a time, and demands that each is found. With -mutants it
// runs all of them, else a few.
func TestMutants(t *testing.T) {
	p := find(t, 128, sigattn.BF16, sigattn.Causal)
	passes, step := []string{"fwd", "bwd", "bwddkv", "bwddq", "bwdfin"}, 1
	if !*allMutants {
		passes, step = passes[:1], 6
	}
	var all []mutant
	for _, pass := range passes {
		right := &mutator{}
		if report := runMutant(t, only(p, pass), right); !report.Passed {
			t.Fatalf("without any mutant: %s", firstReason(report))
		}
		all = append(all, mutantsOf(pass, right.seen[pass])...)
	}
	caught, planted := 0, 0
	for i := 0; i < len(all); i += step {
		m := all[i]
		planted++
		report := runMutant(t, only(p, m.pass), &mutator{mutant: &m})
		if !report.Passed {
			caught++
			if *allMutants {
				t.Logf("%v: caught, %s", m, firstReason(report))
			}
			continue
		}
		if why, known := equivalent[m.pass+": "+m.name]; known {
			planted--
			t.Logf("%v: equivalent, %s", m, why)
			continue
		}
		if runMutant(t, only(p, m.pass), &mutator{mutant: m.trap()}).Passed {
			t.Errorf("%v: not executed by the cases", m)
			continue
		}
		t.Errorf("%v: not caught", m)
	}
	t.Logf("%d of the %d mutants that are not equivalent caught", caught, planted)
}

// firstReason is the first line of the first failure.
func firstReason(r Report) string {
	for _, x := range r.Results {
		for _, reason := range x.Reasons() {
			line, _, _ := strings.Cut(reason, "\n")
			return line
		}
	}
	return ""
}
