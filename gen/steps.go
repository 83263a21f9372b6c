package gen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// step is one pass of the generator over the run's state. (Elsewhere in this package a pass is what a kernel computes.)
type step struct {
	name string
	do   func(context.Context, *run) error
}

// steps are all of the generator, in order. Each reads what the ones before it left in the run.
var steps = []step{
	{"locate output", locateOutput},
	{"expand request", expandRequest},
	{"verify budgets", verifyBudgets},
	{"render sources", renderSources},
	{"verify sources", verifySources},
	{"keep archives", keepArchives},
	{"compile images", compileImages},
	{"verify images", verifyImages},
	{"pack archives", packArchives},
	{"write bindings", writeBindings},
	{"verify bindings", verifyBindings},
	{"compare tree", compareTree},
	{"write tree", writeTree},
}

// run is the state that the steps share.
type run struct {
	request   Request
	options   Options
	templates fs.FS
	checking  bool // differences are reported, not written

	root       string // Out, absolute and without symbolic links
	importPath string // of the packages' folder
	selector   string // the name of the package in the folder itself

	culled     []Culled
	packages   []builtPackage
	compiledBy string
	tree       tree
	changes    []Change
}

// builtPackage is a package on its way to being written.
type builtPackage struct {
	renderedPackage
	stale   error   // why the archive that the folder holds does not do; nil where it is kept
	images  []Image // of a package whose archive is not kept
	archive []byte  // nil where Check has none to compare with
	binding []byte
}

func (r *run) all(ctx context.Context) error {
	for i, s := range steps {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if r.options.Progress != nil {
			r.options.Progress(Event{Step: s.name, Done: i, Of: len(steps)})
		}
		if err := s.do(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// each does the packages over all cores. The error is that of the first package, in their order, that has one.
func (r *run) each(do func(*builtPackage) error) error {
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	failed := make([]error, len(r.packages))
	for i := range r.packages {
		workers.Go(func() error {
			failed[i] = do(&r.packages[i])
			return nil
		})
	}
	_ = workers.Wait() // failed has them
	return cmp.Or(failed...)
}

// locateOutput finds the folder to write to and the names that Go knows it by.
func locateOutput(_ context.Context, r *run) (err error) {
	if r.root, err = resolveFolder(r.options.Out); err != nil {
		return err
	}
	if r.selector, err = selectorName(r.root); err != nil {
		return err
	}
	r.importPath, err = importPath(r.root)
	return err
}

// expandRequest plans every kernel that the request asks for, or culls it with the reason.
func expandRequest(_ context.Context, r *run) error {
	if err := r.request.Validate(); err != nil {
		return err
	}
	plans, culled := r.request.Plans()
	r.culled = culled
	for _, p := range Packages(plans) {
		r.packages = append(r.packages, builtPackage{renderedPackage: renderedPackage{PackagePlan: p}})
	}
	if len(plans) == 0 {
		return fmt.Errorf("%w: all %d specs were culled; %v: %w", ErrNoKernels, len(culled), culled[0].Spec, culled[0].Reason)
	}
	return nil
}

// verifyBudgets holds every Plan against its chip once more: nothing over budget goes further, however it was planned.
// No two kernels may share a name.
func verifyBudgets(_ context.Context, r *run) error {
	seen := map[string]bool{}
	for _, p := range r.packages {
		for _, plan := range p.Plans {
			if err := plan.checkBudgets(); err != nil {
				return err
			}
			if seen[plan.Name()] {
				return fmt.Errorf("two kernels are named %s", plan.Name())
			}
			seen[plan.Name()] = true
		}
	}
	return nil
}

func renderSources(_ context.Context, r *run) error {
	return r.each(func(p *builtPackage) error {
		for _, plan := range p.Plans {
			source, err := renderFrom(r.templates, plan)
			if err != nil {
				return err
			}
			p.kernels = append(p.kernels, kernel{plan, source})
		}
		return nil
	})
}

func verifySources(_ context.Context, r *run) error {
	return r.each(func(p *builtPackage) error {
		for _, k := range p.kernels {
			if err := verifySource(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepArchives finds the packages whose archive in the output folder was made of the sources at hand.
func keepArchives(_ context.Context, r *run) error {
	return r.each(func(p *builtPackage) error {
		archive, err := readIfThere(filepath.Join(r.root, p.Name(), ArchiveName))
		if err != nil {
			return err
		}
		switch {
		case archive == nil:
			p.stale = errors.New("there is none")
		case r.options.Recompile:
			p.stale = errors.New("all are to be made anew")
		default:
			p.stale = checkArchive(p.renderedPackage, archive)
		}
		if p.stale == nil {
			p.archive = archive
		}
		return nil
	})
}

// compileImages has the Compiler make the images of all packages that keep no archive, in one call.
func compileImages(ctx context.Context, r *run) error {
	var sources []Source
	var names []string
	var reason error
	for _, p := range r.packages {
		if p.stale == nil {
			continue
		}
		if reason == nil {
			reason = p.stale
		}
		names = append(names, p.Name())
		for _, k := range p.kernels {
			sources = append(sources, Source{k.plan.Name(), k.source, k.plan.Arch})
		}
	}
	if len(sources) == 0 {
		return nil
	}
	if r.options.Compiler == nil {
		if r.checking {
			return nil // compareTree reports the archives
		}
		return &NeedCompilerError{Of: names, Reason: fmt.Errorf("its archive: %w", reason)}
	}
	compiled, err := r.options.Compiler(ctx, sources)
	if err != nil {
		return err
	}
	r.compiledBy = compiled.By
	images := compiled.Images
	if len(images) != len(sources) {
		return fmt.Errorf("%w: %d for %d sources", ErrImage, len(images), len(sources))
	}
	for i := range r.packages {
		if p := &r.packages[i]; p.stale != nil {
			p.images, images = images[:len(p.kernels)], images[len(p.kernels):]
		}
	}
	return nil
}

func verifyImages(_ context.Context, r *run) error {
	return r.each(func(p *builtPackage) error {
		for i, image := range p.images {
			if err := verifyImage(p.Plans[i], image, p.carriesPTX(p.Plans[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

func packArchives(_ context.Context, r *run) error {
	return r.each(func(p *builtPackage) (err error) {
		if p.images != nil {
			p.archive, err = packArchive(p.renderedPackage, r.compiledBy, p.images)
		}
		return err
	})
}

// writeBindings makes the Go sources and puts all files of the tree together.
func writeBindings(_ context.Context, r *run) error {
	err := r.each(func(p *builtPackage) (err error) {
		p.binding, err = packageSource(p.PackagePlan, r.importPath)
		return err
	})
	if err != nil {
		return err
	}
	var plans []PackagePlan
	for _, p := range r.packages {
		plans = append(plans, p.PackagePlan)
		r.tree.folders = append(r.tree.folders, p.folder())
	}
	text, err := selectorSource(r.selector, r.importPath, plans)
	r.tree.root = r.root
	r.tree.selector = file{r.selector + ".go", text}
	return err
}

// folder is p's files by name.
func (p builtPackage) folder() folder {
	f := folder{name: p.Name()}
	f.files = append(f.files, file{p.Name() + ".go", p.binding}, file{ArchiveName, p.archive})
	for _, k := range p.kernels {
		f.files = append(f.files, file{k.plan.Name() + ".cu", k.source})
	}
	slices.SortFunc(f.files, byName)
	return f
}

func verifyBindings(_ context.Context, r *run) error {
	err := r.each(func(p *builtPackage) error { return verifyBinding(p.Name(), p.binding) })
	return cmp.Or(err, verifyBinding(r.selector, r.tree.selector.data))
}

func compareTree(_ context.Context, r *run) (err error) {
	r.changes, err = r.tree.compare()
	return err
}

func writeTree(ctx context.Context, r *run) error {
	if r.checking {
		return nil
	}
	return r.tree.write(ctx)
}
