package verify

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"sync"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/driver"
)

// ErrOption is wrapped by errors of Options that cannot be.
var ErrOption = errors.New("bad option")

// Options say what Run runs.
type Options struct {
	On       string             // gpu, emulator, or auto, which takes a GPU where there is one; "" is auto
	Device   int                // ordinal of the GPU
	Packages []*sigattn.Package // in the report's order
	Level    Level              // "" is Default on a GPU, Short on the emulator
	Cases    string             // a regular expression that a case's name matches; "" is every case
	Seed     uint64             // of inputs, random cases and the emulator's order of things
	// Soak is how many launches of the cases that repeat them must give equal bits: 0 is 200, and at Long on a GPU 1,000 of
	// those beside others.
	Soak int
	// Bare leaves guard bands and the poison of workspaces away, so that compute-sanitizer's memcheck and the emulator see
	// each buffer's true bounds, and initcheck and the emulator what a kernel reads before it is written.
	Bare     bool
	Progress func(Event) // called in the report's order, from one goroutine at a time; may be nil
}

// Event is a step of a run.
type Event struct {
	Loaded string  // a package that was loaded; else
	Result *Result // what was verified
	Done   int     // of Total: packages or results
	Total  int
}

// machine is a way to run.
type machine struct {
	level Level // where none was asked for
	soak  int   // Options.Soak at Long, likewise
	open  func(o Options, f func(Device) error) error
}

// machines are the ways to run, by the name of Options.On.
var machines = map[string]machine{
	"gpu":      {Default, 1000, func(o Options, f func(Device) error) error { return withGPU(o.Device, f) }},
	"emulator": {Short, defaultSoak, func(o Options, f func(Device) error) error { return withEmulator(emulation(o), f) }},
}

// machine is the one that the options name.
func (o Options) machine() (machine, error) {
	name := o.On
	if name == "auto" || name == "" {
		name = "emulator"
		if driver.Available() {
			name = "gpu"
		}
	}
	m, ok := machines[name]
	if !ok {
		return m, fmt.Errorf("%w: on is %q, want gpu, emulator or auto", ErrOption, o.On)
	}
	return m, nil
}

// Run verifies packages. The report holds what was done also where there is an error, which wraps ErrOption,
// sigattn.ErrNoDriver where a GPU was asked for and there is none, what Load of a package returned, the driver's error
// where the device failed, or the context's.
func Run(ctx context.Context, o Options) (Report, error) {
	m, err := o.machine()
	if err != nil {
		return Report{}, err
	}
	if o.Level == "" {
		o.Level = m.level
	}
	if o.Soak == 0 && o.Level == Long {
		o.Soak = m.soak
	}
	r, err := newRun(o)
	if err != nil {
		return Report{}, err
	}
	err = m.open(o, func(d Device) error { return r.run(ctx, d) })
	return r.report, err
}

// run is the state of one Run.
type run struct {
	Options
	names  *regexp.Regexp
	pool   *pool
	on     Device
	calls  chan func()   // for the device's goroutine
	heavy  chan struct{} // a token for each long case, whose tensors are large
	wide   sync.Mutex    // held by cases that spread over gigabytes of device memory
	report Report

	mu    sync.Mutex
	fatal error // after which nothing is launched
}

func newRun(o Options) (*run, error) {
	if o.Level == "" {
		o.Level = Default
	}
	if !slices.Contains(Levels(), o.Level) {
		return nil, fmt.Errorf("%w: level is %q, want one of %v", ErrOption, o.Level, Levels())
	}
	if o.Soak == 0 {
		o.Soak = defaultSoak
	}
	if o.Soak < 0 {
		return nil, fmt.Errorf("%w: soak is %d, want a positive number of launches", ErrOption, o.Soak)
	}
	names, err := regexp.Compile(o.Cases)
	if err != nil {
		return nil, fmt.Errorf("%w: cases is %q, which is no regular expression: %w", ErrOption, o.Cases, err)
	}
	return &run{
		Options: o, names: names, pool: newPool(runtime.GOMAXPROCS(0)), calls: make(chan func()),
		heavy:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/4)),
		report: Report{Level: o.Level, Passed: true},
	}, nil
}

// loaded is a package on the device.
type loaded struct {
	*sigattn.Package
	kernel Kernel
	modes  []Mode
	cases  []Case
}

// job is one case of a package; its results come one for each mode.
type job struct {
	*loaded
	Case
	done chan []Result
}

// run loads the packages, runs their cases and reports them in order. It is called on the device's goroutine, which
// meanwhile serves calls.
func (r *run) run(ctx context.Context, on Device) error {
	r.on = on
	r.report.Machine = on.Machine()
	packages, err := r.load()
	defer func() {
		for _, p := range packages {
			_ = p.kernel.Close() // everything has been reported
		}
	}()
	if err != nil {
		return err
	}
	var jobs []*job
	total := 0
	for _, p := range packages {
		for _, c := range p.cases {
			jobs = append(jobs, &job{p, c, make(chan []Result, 1)})
			total += len(p.modes)
		}
	}
	go r.work(ctx, jobs)
	go func() {
		defer close(r.calls)
		r.collect(packages, jobs, total)
	}()
	for call := range r.calls {
		call()
	}
	return errors.Join(r.fatal, ctx.Err())
}

// load loads every package, several at a time: the driver may have to compile them.
func (r *run) load() ([]*loaded, error) {
	packages := make([][]*loaded, len(r.Packages))
	errs := make([]error, len(r.Packages))
	var done sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for i, p := range r.Packages {
		done.Go(func() {
			if packages[i], errs[i] = r.subjects(p); errs[i] != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			n++
			r.progress(Event{Loaded: p.Name, Done: n, Total: len(r.Packages)})
		})
	}
	done.Wait()
	return slices.Concat(packages...), errors.Join(errs...)
}

// subjects loads a package as users have it and, where arguments decide which image runs, once more without the images that
// come first, so that every case also meets the others: without those that split keys, which take the cases of few query rows,
// and without those that take tensor maps.
func (r *run) subjects(p *sigattn.Package) ([]*loaded, error) {
	whole, err := r.subject(p)
	if err != nil {
		return nil, err
	}
	all := []*loaded{whole}
	info := whole.kernel.Info()
	if len(imagesOf(info, sigattn.ForwardSplit)) > 0 {
		rest, err := r.subject(withoutSplit(p))
		if err != nil {
			return all, err
		}
		rest.modes = []Mode{Forward}
		rest.cases = slices.DeleteFunc(rest.cases, func(c Case) bool { return !fewQueries(info, c.Shape) })
		all = append(all, rest)
	}
	if slices.ContainsFunc(whole.modes, func(m Mode) bool { return choiceIn(info, m) }) {
		rest, err := r.subject(withoutMapped(withoutSplit(p), info))
		if err != nil {
			return all, err
		}
		rest.modes = slices.DeleteFunc(rest.modes, func(m Mode) bool { return !choiceIn(info, m) })
		all = append(all, rest)
	}
	return all, nil
}

func (r *run) subject(p *sigattn.Package) (*loaded, error) {
	kernel, err := r.on.Load(p)
	if err != nil {
		return nil, err
	}
	info := kernel.Info()
	return &loaded{p, kernel, modesOf(info), r.cases(p, info)}, nil
}

// cases lists a package's cases that were asked for.
func (r *run) cases(p *sigattn.Package, info sigattn.Info) []Case {
	all := casesFor(r.Level, p.HeadDim, tilesOf(info), r.Seed, r.Soak)
	return slices.DeleteFunc(all, func(c Case) bool { return !r.names.MatchString(c.Name) })
}

func (r *run) progress(e Event) {
	if r.Progress != nil {
		r.Progress(e)
	}
}

// work runs the jobs, as many at once as there are processors.
func (r *run) work(ctx context.Context, jobs []*job) {
	queue := make(chan *job)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for j := range queue {
				j.done <- r.verify(ctx, j)
			}
		}()
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
}

// collect reports results in the order of jobs.
func (r *run) collect(packages []*loaded, jobs []*job, total int) {
	var summaries []*Summary
	find := make(map[*loaded][]*Summary)
	for _, p := range packages {
		for _, m := range p.modes {
			s := &Summary{Package: p.Name, Mode: m}
			summaries = append(summaries, s)
			find[p] = append(find[p], s)
		}
	}
	for _, j := range jobs {
		for i, result := range <-j.done {
			find[j.loaded][i].add(result)
			r.report.Results = append(r.report.Results, result)
			r.report.Passed = r.report.Passed && result.Pass()
			r.progress(Event{Result: &result, Done: len(r.report.Results), Total: total})
		}
	}
	for _, s := range summaries {
		r.report.Kernels = append(r.report.Kernels, *s)
	}
}

// verify runs one case in every mode.
func (r *run) verify(ctx context.Context, j *job) []Result {
	out := make([]Result, len(j.modes))
	for i, m := range j.modes {
		out[i] = Result{Package: j.Name(), Mode: m, Case: j.Case}
	}
	if err := r.stopped(ctx); err != nil {
		for i := range out {
			out[i].Skipped = "not run: " + err.Error()
		}
		return out
	}
	switch {
	case j.Layout.wide():
		r.wide.Lock()
		defer r.wide.Unlock()
	case j.Sample > 0:
		r.heavy <- struct{}{}
		defer func() { <-r.heavy }()
	}
	backward := slices.ContainsFunc(j.modes, func(m Mode) bool { return m != Forward })
	p, err := j.problem(j.Package, backward, r.pool)
	if err != nil {
		out[0].Failures = append(out[0].Failures, err.Error())
		return out
	}
	found := make([]*results, len(j.modes))
	r.execute(j, p, out, found)
	want := compute(p, j.wanted(p), r.pool)
	for i, got := range found {
		if got != nil {
			out[i].Failures = append(out[i].Failures, got.failures...)
			out[i].Outputs = compareAll(p, want, got)
		}
	}
	return out
}

// Name is the package's.
func (j *job) Name() string { return j.Package.Name }

// stopped says why nothing more is to be launched.
func (r *run) stopped(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fatal != nil {
		return r.fatal
	}
	return ctx.Err()
}

// execute runs a case's modes on the device.
func (r *run) execute(j *job, p *problem, out []Result, found []*results) {
	e := &execution{on: r.on, kernel: j.kernel, Case: j.Case, problem: p, bare: r.Bare, do: r.do}
	prepared := e.prepare()
	for i, m := range j.modes {
		err := prepared
		if err == nil {
			err = r.launch(e, m, &out[i], &found[i])
		}
		if err != nil {
			r.fail(j, &out[i], err)
		}
	}
	if err := e.release(); err != nil {
		r.fail(j, &out[0], err)
	}
}

// launch runs one mode and notes by which images.
func (r *run) launch(e *execution, m Mode, out *Result, found **results) error {
	images, failure, err := e.images(m)
	if err != nil {
		return err
	}
	out.Images = images
	if failure != "" {
		out.Failures = append(out.Failures, failure)
	}
	*found, err = e.run(m)
	return err
}

// do calls f on the device's goroutine.
func (r *run) do(f func() error) error {
	done := make(chan error, 1)
	r.calls <- func() { done <- f() }
	return <-done
}

// fail records why a mode has no results. After an error of the driver nothing more can run.
func (r *run) fail(j *job, result *Result, err error) {
	if lack := (*memoryError)(nil); errors.As(err, &lack) {
		result.Skipped = lack.Error()
		return
	}
	result.Failures = append(result.Failures, err.Error())
	if errors.Is(err, sigattn.ErrCUDA) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.fatal == nil {
			r.fatal = fmt.Errorf("package %s, case %q: %w", j.Name(), j.Case.Name, err)
		}
	}
}

// compareAll compares what a mode left with the reference.
func compareAll(p *problem, want *reference, got *results) []Output {
	var outputs []Output
	for r, x := range map[role]*rows{roleO: want.o, roleDQ: want.dQ, roleDK: want.dK, roleDV: want.dV} {
		if got.tensors[r] != nil {
			outputs = append(outputs, compareRows(p, roleNames[r], x, got.tensors[r]))
		}
	}
	slices.SortFunc(outputs, func(a, b Output) int { return slices.Index(roleNames[:], a.Name) - slices.Index(roleNames[:], b.Name) })
	switch {
	case got.dBias == nil:
	case want.dBias == nil:
		outputs = append(outputs, Output{Name: "dbias", NotDone: "a sum over all pairs; shorter and periodic cases compare it"})
	default:
		outputs = append(outputs, compareBias(want.dBias, got.dBias))
	}
	return outputs
}
