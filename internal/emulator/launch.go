package emulator

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Launch is a kernel launch.
type Launch struct {
	Grid, Block [3]int // x, y, z
	Cluster     [3]int // of blocks; the zero value is the kernel's own, or else one block
	SharedBytes int    // dynamic, per block
	Params      []byte // laid out as the kernel declares them
}

// Launches are refused where they are beyond what devices take.
const (
	maxBlockThreads = 1024
	maxSharedBytes  = 227 << 10
	maxReports      = 32
)

// launch is the state of one Run.
type launch struct {
	Launch
	kernel  *Kernel
	buffers []*allocation
	options Options

	next    atomic.Int64 // cluster
	workers []worker
	stop    atomic.Bool
	// How many words blocks have released to others.
	releases atomic.Int64

	mu      sync.Mutex
	reports map[reportKey]*Report
	dropped map[reportKey]bool
}

// worker runs clusters.
type worker struct {
	done atomic.Bool
	// The launch's releases, and one more, when its cluster could do nothing but test again what others release; else 0.
	stalled atomic.Int64
}

// reportKey tells reports apart.
type reportKey struct {
	kind Kind
	step int
}

// Run executes a launch to its end. Its error is a *Fault, or wraps ErrLaunch where nothing was run.
func (k *Kernel) Run(m *Memory, of Launch, o Options) error {
	l := &launch{Launch: of, kernel: k, buffers: m.snapshot(), options: o, reports: make(map[reportKey]*Report), dropped: make(map[reportKey]bool)}
	if err := l.check(); err != nil {
		return err
	}
	clusters := l.clusters()
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var all sync.WaitGroup
	l.workers = make([]worker, min(workers, clusters))
	for i := range l.workers {
		all.Go(func() {
			c := newCluster(l, &l.workers[i])
			defer c.worker.done.Store(true)
			for !l.stopped() {
				i := int(l.next.Add(1)) - 1
				if i >= clusters {
					return
				}
				c.worker.stalled.Store(0)
				c.run(i)
			}
		})
	}
	all.Wait()
	return l.fault()
}

// check refuses launches that a device would.
func (l *launch) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrLaunch, l.kernel.name, fmt.Sprintf(format, args...))
	}
	for i := range 3 {
		switch {
		case l.Grid[i] < 1 || l.Grid[i] > 1<<31-1 || i > 0 && l.Grid[i] > 1<<16-1:
			return fail("a grid of %v blocks", l.Grid)
		case l.Block[i] < 1 || l.Block[i] > maxBlockThreads:
			return fail("blocks of %v threads", l.Block)
		}
	}
	if err := l.checkCluster(); err != "" {
		return fail("%s", err)
	}
	shared := l.kernel.staticShared + l.SharedBytes
	switch {
	case l.threads() > l.kernel.MaxThreads():
		return fail("blocks of %d threads, at most %d are allowed", l.threads(), l.kernel.MaxThreads())
	case l.kernel.exact && l.Block != l.kernel.maxThreads:
		return fail("blocks of %v threads, %v are required", l.Block, l.kernel.maxThreads)
	case l.SharedBytes < 0 || shared > maxSharedBytes:
		return fail("%d bytes of shared memory, at most %d are possible", shared, maxSharedBytes)
	case len(l.Params) != l.kernel.paramBytes:
		return fail("%d bytes of parameters, want %d", len(l.Params), l.kernel.paramBytes)
	}
	return nil
}

func (l *launch) threads() int { return l.Block[0] * l.Block[1] * l.Block[2] }

func (l *launch) warps() int { return (l.threads() + lanes - 1) / lanes }

func (l *launch) stopped() bool { return l.stop.Load() }

// report files what a step does wrong. After too many different ones the launch ends.
func (b *block) report(r Report, step int) {
	l := b.launch
	r.Kernel, r.Site, r.Block, r.Count = l.kernel.name, l.kernel.sites[step], b.index, 1
	key := reportKey{r.Kind, step}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch old := l.reports[key]; {
	case old != nil:
		old.Count++
	case len(l.reports) < maxReports:
		l.reports[key] = &r
	default:
		l.dropped[key] = true
		l.stop.Store(true)
	}
}

// fault is the launch's result.
func (l *launch) fault() error {
	if len(l.reports) == 0 {
		return nil
	}
	f := &Fault{Dropped: len(l.dropped)}
	for _, r := range l.reports {
		f.Reports = append(f.Reports, *r)
	}
	slices.SortFunc(f.Reports, func(a, b Report) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	})
	return f
}
