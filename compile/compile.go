// Package compile turns CUDA source into cubin and PTX with NVRTC: several kernels at a time, through a cache keyed on
// content, with ptxas's report read and spills refused.
//
// NVRTC is reached through gorgonia.org/cu/nvrtc under the build tag "nvrtc", which is the project's only cgo; without
// the tag every call returns ErrNoNVRTC. Neither a GPU nor its driver is needed. The package must not know attention:
// to it a kernel is a name, a text and an architecture.
package compile

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sigattn/sigattn/gen"
)

// Source is one kernel's CUDA source.
type Source = gen.Source

// Options of Compile. The zero value is the default.
type Options struct {
	CacheDir string      // where compiled kernels are kept; "" means DefaultCacheDir
	Workers  int         // kernels compiled at a time; 0 means one per CPU
	Progress func(Event) // called for each step, never by two goroutines at once; nil means not at all
}

// Step says what an Event reports.
type Step int

// Steps. A kernel is either Cached, or Started and then Finished.
const (
	Started Step = iota + 1
	Finished
	Cached
)

// Event is one step of Compile's progress.
type Event struct {
	Step     Step
	Kernel   string
	Duration time.Duration // of the compile, or of the cache's answer; 0 where Step is Started
	Err      error         // why the kernel failed
}

// Compile returns the images of sources, in their order.
//
// A kernel that fails does not stop the others: its image stays empty (but for one that ptxas's report disqualifies,
// whose report is kept), and the error is a *FailedError that holds a *SourceError or *ResourceError for each such
// kernel. Other errors are ErrNoNVRTC, ErrCache, and ctx's, which is honoured between kernels.
func Compile(ctx context.Context, sources []Source, opts Options) ([]gen.Image, error) {
	c, err := newCompiler()
	if err != nil {
		return nil, err
	}
	return compileAll(ctx, c, sources, opts)
}

// compiler is NVRTC, or in tests what stands for it.
type compiler struct {
	id      string // of the tool's exact build; part of every cache key
	compile func(s Source, options []string) (output, error)
}

// output is what a compiler makes of a Source.
type output struct {
	Cubin []byte
	PTX   []byte
	Log   string // ptxas's report among it
}

func compileAll(ctx context.Context, c compiler, sources []Source, opts Options) ([]gen.Image, error) {
	store, err := openCache(opts.CacheDir)
	if err != nil {
		return nil, err
	}
	b := build{compiler: c, cache: store, progress: opts.Progress}
	workers := opts.Workers
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	var (
		images = make([]gen.Image, len(sources))
		errs   = make([]error, len(sources))
		next   atomic.Int64
		wg     sync.WaitGroup
	)
	for range min(workers, len(sources)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(sources) {
					return
				}
				images[i], errs[i] = b.kernel(sources[i])
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("compile: %w", context.Cause(ctx))
	}
	if b.stored.Load() {
		store.prune(cacheLimit, time.Now())
	}
	return images, failed(errs)
}

// build is what the workers of one Compile share.
type build struct {
	compiler compiler
	cache    cache
	stored   atomic.Bool // the cache grew

	mu       sync.Mutex // of progress
	progress func(Event)
}

// kernel gives s's image from the cache or the compiler.
func (b *build) kernel(s Source) (gen.Image, error) {
	start := time.Now()
	if err := checkName(s.Name); err != nil {
		return gen.Image{}, err
	}
	options := gen.CompilerOptions(s.Arch)
	k := newKey(b.compiler.id, options, s)
	out, ok := b.cache.load(k)
	if ok {
		img, err := image(s.Name, out)
		b.report(Event{Step: Cached, Kernel: s.Name, Duration: time.Since(start), Err: err})
		return img, err
	}
	b.report(Event{Step: Started, Kernel: s.Name})
	img, err := b.compile(s, options, k)
	b.report(Event{Step: Finished, Kernel: s.Name, Duration: time.Since(start), Err: err})
	return img, err
}

func (b *build) compile(s Source, options []string, k key) (gen.Image, error) {
	out, err := b.compiler.compile(s, options)
	if err != nil {
		return gen.Image{}, err
	}
	if err := b.cache.store(k, out); err != nil {
		return gen.Image{}, err
	}
	b.stored.Store(true)
	return image(s.Name, out)
}

func (b *build) report(e Event) {
	if b.progress == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress(e)
}

// image reads out's report and holds it against what every kernel must keep to.
func image(name string, out output) (gen.Image, error) {
	report, notes, err := parseReport(name, out.Log)
	if err != nil {
		return gen.Image{}, err
	}
	img := gen.Image{Kernel: name, Report: report}
	if len(notes) > 0 || report.SpillStoreBytes > 0 || report.SpillLoadBytes > 0 || report.StackBytes > 0 {
		return img, &ResourceError{Kernel: name, Report: report, Notes: notes}
	}
	img.Cubin, img.PTX = out.Cubin, out.PTX
	return img, nil
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// checkName refuses what could not be a kernel's symbol, and so no file's name either.
func checkName(name string) error {
	if identifier.MatchString(name) {
		return nil
	}
	return &SourceError{Kernel: name, Message: fmt.Sprintf("Name %q is not a C identifier of at most 128 letters", name)}
}
