package verify

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/emulator/cuda"
)

var (
	allMutants = flag.Bool("mutants", false, "run every mutant of TestMutants, not a sample")
	ofMutants  = flag.String("mutant", "", "with -mutants, only those whose names match this regular expression")
)

// A mutation plants one fault in a kernel's PTX: it rewrites one of the lines that match.
type mutation struct {
	name  string
	lines *regexp.Regexp
	to    string // of the line, as in regexp.Expand; empty drops it
	of    places
	by    func(string) string // instead of to, where it is not nil: of what matches
}

// places are what of a mutation's lines has a mutant.
type places int

const (
	middle      places = iota // the line in the middle
	eachProduct               // of the lines before each wgmma.commit_group the one in the middle
	eachSite                  // all lines that are of one place in CUDA, and have the same $value
	eachEnd                   // the same, but loops have none, and what the compiler adds
	eachValue                 // all lines that have the same $value
)

// mutations of instructions that kernels of every family have.
var mutations = []mutation{
	{"barrier dropped", regexp.MustCompile(`(?m)^\s*bar\.sync.*$`), "", middle, nil},
	{"arrival dropped", regexp.MustCompile(`(?m)^\s*bar\.arrive.*$`), "", middle, nil},
	{"wait dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group.*$`), "", middle, nil},
	{"one group not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group 0;$`), "cp.async.wait_group 1;", middle, nil},
	{"two groups not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.wait_group 1;$`), "cp.async.wait_group 2;", middle, nil},
	{"commit dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.commit_group;$`), "", middle, nil},
	{"copy dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.cg.*$`), "", middle, nil},
	{"copy without zero fill", regexp.MustCompile(`(?m)^(\s*cp\.async\.cg.*), 16, %r\d+;$`), "$1, 16;", middle, nil},
	{"copy to another chunk", regexp.MustCompile(`(?m)^(\s*cp\.async\.cg\S+ \[%r\d+)\](.*)$`), "$1+16]$2", middle, nil},
	{"fragment transposed", regexp.MustCompile(`(?m)^(\s*ldmatrix\S+x4)(\.shared.*)$`), "$1.trans$2", middle, nil},
	{"fragment not transposed", regexp.MustCompile(`(?m)^(\s*ldmatrix\S+x4)\.trans(\.shared.*)$`), "$1$2", middle, nil},
	{"fragment of another chunk", regexp.MustCompile(`(?m)^(\s*ldmatrix.*)\[(%r\d+)\];$`), "$1[$2+16];", middle, nil},
	{"halves of B swapped", regexp.MustCompile(`(?m)^(\s*mma.*, \{)(%r\d+), (%r\d+)(\}, \{%f.*)$`), "$1$3, $2$4", middle, nil},
	{"product dropped", regexp.MustCompile(`(?m)^\s*mma\S+ \{(%f\d+), (%f\d+), (%f\d+), (%f\d+)\}.*\{(%f\d+), (%f\d+), (%f\d+), (%f\d+)\};$`), "mov.f32 $1, $5; mov.f32 $2, $6; mov.f32 $3, $7; mov.f32 $4, $8;", middle, nil},
	{"accumulator not cleared", regexp.MustCompile(`(?m)^(\s*mov\.f32\s+%f\d+), 0f00000000;$`), "$1, 0f3F800000;", middle, nil},
	{"bound one further", regexp.MustCompile(`(?m)^(\s*)setp\.lt\.s32(\s+%p\d+, %r\d+, %r\d+;)$`), "${1}setp.le.s32$2", middle, nil},
	{"bound one nearer", regexp.MustCompile(`(?m)^(\s*)setp\.ge\.s32(\s+%p\d+, %r\d+, %r\d+;)$`), "${1}setp.gt.s32$2", middle, nil},
	{"shared store dropped", regexp.MustCompile(`(?m)^\s*st\.shared.*$`), "", middle, nil},
	{"global store dropped", regexp.MustCompile(`(?m)^\s*st\.global.*$`), "", middle, nil},
	{"global store elsewhere", regexp.MustCompile(`(?m)^(\s*st\.global\S+\s+\[%rd\d+)\](.*)$`), "$1+16]$2", middle, nil},
	{"addition dropped", regexp.MustCompile(`(?m)^\s*red\.relaxed.*$`), "", middle, nil},
	{"addition twice", regexp.MustCompile(`(?m)^(\s*red\.relaxed.*)$`), "$1 $1", middle, nil},
	{"swizzle off by one", regexp.MustCompile(`(?m)^(\s*xor\.b32\s+%r\d+, %r\d+), (?:16|32|48|64|96);$`), "$1, 80;", middle, nil},
	{"sign of the exponent", regexp.MustCompile(`(?m)^(\s*)ex2\.approx\.ftz\.f32 (%f\d+), (%f\d+);$`), "${1}neg.f32 $2, $3; ex2.approx.ftz.f32 $2, $2;", middle, nil},
	{"reciprocal dropped", regexp.MustCompile(`(?m)^(\s*)rcp\.approx\.ftz\.f32 (%f\d+), (%f\d+);$`), "${1}mov.f32 $2, $3;", middle, nil},
	{"halves of a pair swapped", regexp.MustCompile(`(?m)^(\s*cvt\.rn\.bf16x2\.f32 %r\d+), (%f\d+), (%f\d+);$`), "$1, $3, $2;", middle, nil},
	{"any instead of all", regexp.MustCompile(`(?m)^(\s*)vote\.sync\.all`), "${1}vote.sync.any", middle, nil},
	{"all instead of any", regexp.MustCompile(`(?m)^(\s*)bar\.red\.or`), "${1}bar.red.and", middle, nil},
}

// subject is a kernel that mutants are of.
type subject struct {
	pass    sigattn.Pass
	arch    sigattn.Arch
	headDim int
	sample  bool // where another subject has mutants of each site, those of one
}

// String is as in the kernel's name.
func (s subject) String() string { return fmt.Sprintf("%v_sm%d_d%d", s.pass, int(s.arch), s.headDim) }

// mutant is a mutation of one place, or of several lines that are alike, in a subject's PTX.
type mutant struct {
	mutation
	subject
	at    []int // which of the matching lines
	label string
	trap  bool // instead of the fault, what is found wherever the lines are executed: a store to null beside them
}

func (m mutant) String() string { return fmt.Sprintf("%v: %s, %s", m.subject, m.name, m.label) }

func (m mutant) apply(text string) string {
	found := m.lines.FindAllStringSubmatchIndex(text, -1)
	for _, i := range slices.Backward(m.at) {
		from, to := found[i][0], found[i][1]
		is := string(m.lines.ExpandString(nil, m.to, text, found[i]))
		switch {
		case m.trap:
			from = strings.LastIndex(text[:from], "\n") + 1
			is = "st.shared.u32 [0], 0;\n" + text[from:to]
		case m.by != nil:
			is = m.by(text[from:to])
		}
		text = text[:from] + is + text[to:]
	}
	return text
}

// mutantsOf plants each mutation in a kernel. Without -mutants, at one place.
func mutantsOf(t *testing.T, s subject, p *sigattn.Package, text string) []mutant {
	t.Helper()
	var sites *sites
	if s.arch == sigattn.SM90 {
		sites = newSites(t, p, text)
	}
	var all []mutant
	for _, x := range mutationsOf(s) {
		found := x.lines.FindAllStringSubmatchIndex(text, -1)
		if len(found) == 0 {
			continue
		}
		switch {
		case s.sample && x.of == eachEnd:
			continue
		case (s.sample || !*allMutants) && x.of == eachSite:
			x.of = middle
		}
		alike := make(map[string][]int)
		var keys []string // of alike, in order
		values := make(map[string][]string)
		for i, at := range found {
			key := ""
			value := string(x.lines.ExpandString(nil, "$value", text, at))
			switch x.of {
			case middle:
				if i != len(found)/2 {
					continue
				}
				key = fmt.Sprintf("%d of %d", i+1, len(found))
			case eachProduct:
				key = sites.product(at[0])
			case eachSite, eachEnd:
				key = sites.of(at[0])
				if x.of == eachEnd && (strings.HasPrefix(key, "for ") || strings.HasPrefix(key, ":")) {
					continue
				}
			case eachValue:
				key, value = value, ""
			}
			if !slices.Contains(values[key], value) {
				values[key] = append(values[key], value)
				keys = append(keys, key)
			}
			alike[key+value] = append(alike[key+value], i)
		}
		seen := make(map[string]int)
		for _, key := range keys {
			label := key
			if n := len(values[key]); n > 1 {
				label = fmt.Sprintf("%s, %d of %d", key, seen[key]+1, n)
			}
			at := alike[key+values[key][seen[key]]]
			seen[key]++
			if x.of == eachProduct {
				at = at[len(at)/2:][:1]
			}
			all = append(all, mutant{x, s, at, label, false})
		}
	}
	return all
}

// mutationsOf are the mutations that a subject may have: those of its own stand for others of the same name.
func mutationsOf(s subject) []mutation {
	var own []mutation
	switch {
	case s.arch == sigattn.SM90 && (s.pass == sigattn.Forward || s.pass == sigattn.ForwardSplit):
		own = slices.Concat(hopperMutations, maskMutations, constantMutations)
	case s.arch == sigattn.SM90:
		own = slices.Concat(hopperMutations, constantMutations, gradientMutations)
	}
	general := slices.DeleteFunc(slices.Clone(mutations), func(x mutation) bool {
		return slices.ContainsFunc(own, func(y mutation) bool { return x.name == y.name })
	})
	return append(general, own...)
}

// besides are the passes that run beside one, in a package that holds no others.
func (s subject) besides() []sigattn.Pass {
	switch s.pass {
	case sigattn.Forward:
		return []sigattn.Pass{sigattn.Forward}
	case sigattn.ForwardSplit:
		return []sigattn.Pass{sigattn.Forward, sigattn.ForwardSplit}
	case sigattn.BackwardFused, sigattn.BackwardFinish:
		return []sigattn.Pass{sigattn.BackwardFused, sigattn.BackwardFinish}
	case sigattn.BackwardOrdered:
		return []sigattn.Pass{sigattn.BackwardOrdered, sigattn.BackwardFinish}
	}
	return []sigattn.Pass{sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish}
}

// only is the subject's package without the kernels that it does not run beside; nil where the subject is not in it.
func (s subject) only(t *testing.T) *sigattn.Package {
	t.Helper()
	less := *find(t, s.headDim, sigattn.BF16, sigattn.Causal)
	has := false
	less.Kernels = slices.DeleteFunc(slices.Clone(less.Kernels), func(k sigattn.KernelInfo) bool {
		ofFamily := (k.Arch == sigattn.SM90) == (s.arch == sigattn.SM90)
		has = has || ofFamily && k.Pass == s.pass
		return !ofFamily || !slices.Contains(s.besides(), k.Pass)
	})
	if !has {
		return nil
	}
	return &less
}

// mutator is a driver that plants a mutant in its subject's kernel when it is loaded, and remembers what it loads.
type mutator struct {
	*cuda.Driver
	mutant *mutant
	seen   map[string]string // PTX by subject
}

var entrySubject = regexp.MustCompile(`\.entry sigattn_([a-z]+_sm\d+_d\d+)_`)

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
	entry := entrySubject.FindStringSubmatch(text)
	if entry == nil { // machine code
		return m.Driver.Call(name, args)
	}
	m.seen[entry[1]] = text
	if m.mutant != nil && m.mutant.subject.String() == entry[1] {
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
func (s subject) mutantCases() string {
	own := "few keys"
	switch {
	case s.pass == sigattn.ForwardSplit:
		own = "one|two tiles|long keys|pairs|packed|split"
	case s.arch == sigattn.SM90 && s.pass == sigattn.Forward:
		own = "two tiles|long keys|turns|idle|pairs"
	case s.arch == sigattn.SM90:
		own = "one tile|two tiles|multi-query|pairs|infinite|corner|small weights"
		if s.pass == sigattn.BackwardFused { // which has a loop of its own for whole query tiles
			own += "|powers of two(, .*)?"
		}
	}
	return fmt.Sprintf("^(%s|whole tiles|group|many keys|hidden|least head dim|many batches):|^head dim: .* d%d bshd|^inputs: b3 h4.*nonfinite", own, s.headDim/2+8)
}

// run verifies a subject with a mutant, or without where it is nil; first as verify does by itself and, where that
// finds nothing, without guard bands.
func (s subject) run(t *testing.T, p *sigattn.Package, m *mutator) Report {
	t.Helper()
	report := s.runOnce(t, p, m, false)
	if report.Passed {
		report = s.runOnce(t, p, m, true)
	}
	return report
}

func (s subject) runOnce(t *testing.T, p *sigattn.Package, m *mutator, bare bool) Report {
	t.Helper()
	o := Options{Packages: []*sigattn.Package{p}, Level: Default, Bare: bare, Cases: s.mutantCases()}
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

// numbered is a mutant of several, such as 2 of 5, or in the keys of equivalent 2 to 4 of 5.
var numbered = regexp.MustCompile(`^(.*?) (\d+)(?: to (\d+))? of (\d+)$`)

// equivalent is the reason why m is, or "".
func (m mutant) equivalent() string {
	name := m.String()
	own := numbered.FindStringSubmatch(name)
	for key, why := range equivalent {
		if key == name || key == fmt.Sprintf("%v: %s", m.subject, m.name) {
			return why
		}
		several := numbered.FindStringSubmatch(key)
		if own == nil || several == nil || several[1] != own[1] || several[4] != own[4] {
			continue
		}
		index, _ := strconv.Atoi(own[2])
		first, _ := strconv.Atoi(several[2])
		last, _ := strconv.Atoi(several[3])
		if first <= index && index <= last {
			return why
		}
	}
	return ""
}

// subjects are those of TestMutants. Of sm_90's kernels that one template makes, the first has mutants of each site.
var subjects = []subject{
	{sigattn.Forward, sigattn.SM90, 128, false},
	{sigattn.ForwardSplit, sigattn.SM90, 128, true},
	{sigattn.Forward, sigattn.SM80, 128, false},
	{sigattn.BackwardFused, sigattn.SM80, 128, false},
	{sigattn.BackwardDKV, sigattn.SM80, 128, false},
	{sigattn.BackwardDQ, sigattn.SM80, 128, false},
	{sigattn.BackwardFinish, sigattn.SM80, 128, false},
	{sigattn.BackwardFused, sigattn.SM90, 128, false},
	{sigattn.BackwardFused, sigattn.SM90, 64, true},
	{sigattn.BackwardOrdered, sigattn.SM90, 128, true},
	{sigattn.BackwardDKV, sigattn.SM90, 256, false},
	{sigattn.BackwardDQ, sigattn.SM90, 192, false},
}

// TestMutants plants faults in kernels, one at a time, and demands that each is found. With -mutants it runs all of them, else a
// few of the first subjects. A subject's are a subtest, so that -run picks it.
func TestMutants(t *testing.T) {
	for _, s := range subjects {
		if s.pass != sigattn.Forward && !*allMutants {
			continue
		}
		if p := s.only(t); p != nil {
			t.Run(s.String(), func(t *testing.T) { s.findMutants(t, p) })
		}
	}
}

// findMutants demands that a subject's mutants are found.
func (s subject) findMutants(t *testing.T, p *sigattn.Package) {
	right := &mutator{}
	if report := s.run(t, p, right); !report.Passed {
		t.Fatalf("without any mutant: %s", firstReason(report))
	}
	all := mutantsOf(t, s, p, right.seen[s.String()])
	if !*allMutants {
		all = some(all, 4)
	}
	caught := 0
	names := regexp.MustCompile(*ofMutants)
	all = slices.DeleteFunc(all, func(m mutant) bool {
		if !names.MatchString(m.String()) {
			return true
		}
		why := m.equivalent()
		if why != "" && *allMutants {
			t.Logf("%v: equivalent, %s", m, why)
		}
		return why != ""
	})
	for _, m := range all {
		if report := s.run(t, p, &mutator{mutant: &m}); !report.Passed {
			caught++
			if *allMutants {
				t.Logf("%v: caught, %s", m, firstReason(report))
			}
			continue
		}
		m.trap = true
		if s.run(t, p, &mutator{mutant: &m}).Passed {
			t.Errorf("%v: not executed by the cases", m)
			continue
		}
		t.Errorf("%v: not caught", m)
	}
	t.Logf("%d of the %d mutants that are not equivalent caught", caught, len(all))
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
