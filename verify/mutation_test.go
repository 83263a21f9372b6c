package verify

import (
	"context"
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
	every bool   // each line has a mutant of its own
}

// mutations of instructions that kernels of every family have.
var mutations = []mutation{
	{"barrier dropped", regexp.MustCompile(`(?m)^\s*bar\.sync.*$`), "", false},
	{"arrival dropped", regexp.MustCompile(`(?m)^\s*bar\.arrive.*$`), "", false},
	{"wait dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group.*$`), "", false},
	{"one group not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group 0;$`), "cp.async.wait_group 1;", false},
	{"two groups not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group 1;$`), "cp.async.wait_group 2;", false},
	{"commit dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.commit_group;$`), "", false},
	{"copy dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.cg.*$`), "", false},
	{"copy without zero fill", regexp.MustCompile(`(?m)^(\s*cp\.async\.cg.*), 16, %r\d+;$`), "$1, 16;", false},
	{"copy to another chunk", regexp.MustCompile(`(?m)^(\s*cp\.async\.cg\S+ \[%r\d+)\](.*)$`), "$1+16]$2", false},
	{"fragment transposed", regexp.MustCompile(`(?m)^(\s*ldmatrix\S+x4)(\.shared.*)$`), "$1.trans$2", false},
	{"fragment not transposed", regexp.MustCompile(`(?m)^(\s*ldmatrix\S+x4)\.trans(\.shared.*)$`), "$1$2", false},
	{"fragment of another chunk", regexp.MustCompile(`(?m)^(\s*ldmatrix.*)\[(%r\d+)\];$`), "$1[$2+16];", false},
	{"halves of B swapped", regexp.MustCompile(`(?m)^(\s*mma.*, \{)(%r\d+), (%r\d+)(\}, \{%f.*)$`), "$1$3, $2$4", false},
	{"product dropped", regexp.MustCompile(`(?m)^\s*mma\S+ \{(%f\d+), (%f\d+), (%f\d+), (%f\d+)\}.*\{(%f\d+), (%f\d+), (%f\d+), (%f\d+)\};$`), "mov.f32 $1, $5; mov.f32 $2, $6; mov.f32 $3, $7; mov.f32 $4, $8;", false},
	{"accumulator not cleared", regexp.MustCompile(`(?m)^(\s*mov\.f32\s+%f\d+), 0f00000000;$`), "$1, 0f3F800000;", false},
	{"bound one further", regexp.MustCompile(`(?m)^(\s*)setp\.lt\.s32(\s+%p\d+, %r\d+, %r\d+;)$`), "${1}setp.le.s32$2", false},
	{"bound one nearer", regexp.MustCompile(`(?m)^(\s*)setp\.ge\.s32(\s+%p\d+, %r\d+, %r\d+;)$`), "${1}setp.gt.s32$2", false},
	{"shared store dropped", regexp.MustCompile(`(?m)^\s*st\.shared.*$`), "", false},
	{"global store dropped", regexp.MustCompile(`(?m)^\s*st\.global.*$`), "", false},
	{"global store elsewhere", regexp.MustCompile(`(?m)^(\s*st\.global\S+\s+\[%rd\d+)\](.*)$`), "$1+16]$2", false},
	{"addition dropped", regexp.MustCompile(`(?m)^\s*red\.relaxed.*$`), "", false},
	{"addition twice", regexp.MustCompile(`(?m)^(\s*red\.relaxed.*)$`), "$1 $1", false},
	{"swizzle off by one", regexp.MustCompile(`(?m)^(\s*xor\.b32\s+%r\d+, %r\d+), (?:16|32|48|64|96);$`), "$1, 80;", false},
	{"sign of the exponent", regexp.MustCompile(`(?m)^(\s*)ex2\.approx\.ftz\.f32 (%f\d+), (%f\d+);$`), "${1}neg.f32 $2, $3; ex2.approx.ftz.f32 $2, $2;", false},
	{"reciprocal dropped", regexp.MustCompile(`(?m)^(\s*)rcp\.approx\.ftz\.f32 (%f\d+), (%f\d+);$`), "${1}mov.f32 $2, $3;", false},
	{"halves of a pair swapped", regexp.MustCompile(`(?m)^(\s*cvt\.rn\.bf16x2\.f32 %r\d+), (%f\d+), (%f\d+);$`), "$1, $3, $2;", false},
	{"any instead of all", regexp.MustCompile(`(?m)^(\s*)vote\.sync\.all`), "${1}vote.sync.any", false},
	{"all instead of any", regexp.MustCompile(`(?m)^(\s*)bar\.red\.or`), "${1}bar.red.and", false},
}

// mutant is a mutation of one of the lines of one kernel.
type mutant struct {
	mutation
	pass  string // and architecture, as in the kernel's name
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

// mutantsOf plants each mutation at one place of a kernel, in the middle of those that there are; with -mutants some at
// every place.
func mutantsOf(pass, text string) []mutant {
	var all []mutant
	for _, x := range slices.Concat(mutations, hopperMutations) {
		n := len(x.lines.FindAllStringIndex(text, -1))
		for i := range n {
			if i == n/2 || x.every && *allMutants {
				all = append(all, mutant{x, pass, i, n})
			}
		}
	}
	return all
}

// besides are the passes that run beside one, in a package that holds no others.
var besides = map[string][]sigattn.Pass{
	"fwd": {sigattn.Forward}, "bwd": {sigattn.BackwardFused, sigattn.BackwardFinish}, "bwdfin": {sigattn.BackwardFused, sigattn.BackwardFinish},
	"bwddkv": {sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish}, "bwddq": {sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish},
}

// isHopper reports whether a mutant's pass is of the sm_90 family.
func isHopper(pass string) bool { return strings.HasSuffix(pass, "_sm90") }

// only is a package without the kernels that a mutant's pass does not run beside.
func only(p *sigattn.Package, pass string) *sigattn.Package {
	less := *p
	less.Kernels = nil
	name, _, _ := strings.Cut(pass, "_")
	for _, k := range p.Kernels {
		if slices.Contains(besides[name], k.Pass) && (k.Arch == sigattn.SM90) == isHopper(pass) {
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

var entryPass = regexp.MustCompile(`\.entry sigattn_([a-z]+_sm\d+)_`)

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
	entry := entryPass.FindStringSubmatch(text)
	if entry == nil { // machine code
		return m.Driver.Call(name, args)
	}
	pass := entry[1]
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

// mutantCases are the default level's that mutants meet: few, but between them they run every line that is mutated. Those of
// sm_90 are all of tensors with a map.
func mutantCases(p *sigattn.Package) string {
	own := "few keys"
	if p.Kernels[0].Arch == sigattn.SM90 {
		own = "two tiles|long keys|turns|idle|steep"
	}
	return "^(" + own + "|whole tiles|group|many keys|hidden|least head dim|many batches):|^head dim: .* d72 bshd|^inputs: b3 h4.*nonfinite"
}

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
	o := Options{Packages: []*sigattn.Package{p}, Level: Default, Bare: bare, Cases: mutantCases(p)}
	r, err := newRun(o)
	if err != nil {
		t.Fatal(err)
	}
	m.Driver, m.seen = cuda.New(emulation(o)), make(map[string]string)
	ctx, found := context.WithCancel(t.Context())
	defer found()
	r.Progress = func(e Event) {
		if e.Result != nil && !e.Result.Pass() {
			found() // one case is enough
		}
	}
	err = withStandIn(m, m.Driver, func(on Device) error { return r.run(ctx, on) })
	if err != nil && r.report.Passed {
		t.Fatalf("%v: %v", m.mutant, err)
	}
	return r.report
}

// equivalent are the mutants that change no result and break no rule, with the reason. A mutant of one line alone has its
// number, and one of some lines theirs, which move with the kernel.
var equivalent = map[string]string{
	"fwd_sm90: accumulator not cleared":                     "the sum is only asked whether it is -inf",
	"fwd_sm90: mbarrier arrival dropped, 10 of 21":          "the loop over pairs, before it, has given Q's place back",
	"fwd_sm90: mbarrier arrival twice, 10 of 21":            "the loop over pairs, before it, has given Q's place back",
	"fwd_sm90: mbarrier arrival dropped, 18 to 21 of 21":    "the last places of V and Q are filled no more",
	"fwd_sm90: mbarrier arrival twice, 18 to 21 of 21":      "the last places of V and Q are filled no more",
	"fwd_sm90: one arrival more, 5 of 54":                   "only a second run, which has other barriers, cleans values",
	"fwd_sm90: one arrival more, 10 of 54":                  "only a second run, which has other barriers, cleans values",
	"fwd_sm90: one arrival more, 37 to 54 of 54":            "the producer's first thread alone initialises, and this is the consumers' copy",
	"fwd_sm90: place reused before it is read, 2 of 7":      "the loop over pairs, before it, has given Q's place back",
	"fwd_sm90: place reused before it is read, 6 to 7 of 7": "Q's last place is filled no more",
	"fwd_sm90: registers not fenced, 3 of 11":               "the fence before the other product covers it, and no O is stored between",
	"fwd_sm90: registers not fenced, 5 of 11":               "the fence before the other product covers it, and no O is stored between",
	"fwd_sm80: accumulator not cleared":                     "the sum is only asked whether it is -inf",
	"fwd_sm80: bound one further":                           "the other operand of every product with that column is zero",
	"bwd_sm80: all instead of any":                          "the vote is there for its barrier",
	"bwddkv_sm80: accumulator not cleared":                  "the sum is only asked whether it is -inf",
	"bwddkv_sm80: bound one further":                        "the other operand of every product with that column is zero",
	"bwddkv_sm80: bound one nearer":                         "the last query sees every key, so that the loop always has a row",
	"bwddkv_sm80: all instead of any":                       "the vote is there for its barrier",
	"bwddq_sm80: two groups not waited for":                 "no fragment is kept at this head dim, and the loop waits for every group before it reads",
	"bwddq_sm80: sign of the exponent":                      "only the sigmoid's slope is used, which is even",
	"bwddq_sm80: all instead of any":                        "the vote is on a value that every thread has already",
}

// equivalent is the reason why m is, or "".
func (m mutant) equivalent() string {
	name := m.pass + ": " + m.name
	for key, why := range equivalent {
		var first, last, of int
		n, _ := fmt.Sscanf(strings.TrimPrefix(key, name), ", %d to %d of %d", &first, &last, &of)
		if key == name || key == m.String() || n == 3 && first <= m.index+1 && m.index < last && m.of == of {
			return why
		}
	}
	return ""
}

// TestMutants plants faults in the kernels of a package, one at a time, and demands that each is found. With -mutants it
// runs all of them, else a few.
func TestMutants(t *testing.T) {
	p := find(t, 128, sigattn.BF16, sigattn.Causal)
	passes := []string{"fwd_sm90", "fwd_sm80", "bwd_sm80", "bwddkv_sm80", "bwddq_sm80", "bwdfin_sm80"}
	if !*allMutants {
		passes = passes[:2]
	}
	passes = slices.DeleteFunc(passes, func(pass string) bool { return len(only(p, pass).Kernels) == 0 })
	var all []mutant
	for _, pass := range passes {
		right := &mutator{}
		if report := runMutant(t, only(p, pass), right); !report.Passed {
			t.Fatalf("without any mutant: %s", firstReason(report))
		}
		planted := mutantsOf(pass, right.seen[pass])
		if !*allMutants {
			planted = some(planted, 4)
		}
		all = append(all, planted...)
	}
	caught, planted := 0, 0
	for _, m := range all {
		planted++
		report := runMutant(t, only(p, m.pass), &mutator{mutant: &m})
		if !report.Passed {
			caught++
			if *allMutants {
				t.Logf("%v: caught, %s", m, firstReason(report))
			}
			continue
		}
		if why := m.equivalent(); why != "" {
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

// some are about n mutants, evenly spread.
func some(all []mutant, n int) []mutant {
	var spread []mutant
	for i := 0; i < len(all); i += max(1, len(all)/n) {
		spread = append(spread, all[i])
	}
	return spread
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
