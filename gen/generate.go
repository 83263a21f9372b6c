package gen

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/templates"
)

// Options of Generate and Check.
type Options struct {
	Out string // the folder of the packages; made where it does not exist

	// Compiler makes the images that Out does not hold yet. Without one, packages whose archive fits their sources keep
	// it, and any other is a *NeedCompilerError.
	Compiler  Compiler
	Recompile bool // makes every image anew

	Progress func(Event) // called by one goroutine; nil means not at all
}

// Event is a step of Generate or Check that begins.
type Event struct {
	Step string
	Done int // steps before it
	Of   int // all steps
}

// Result is what Generate wrote or Check found.
type Result struct {
	Packages []PackagePlan
	Culled   []Culled
	Changes  []Change // what was written, or by Check what would be; none where the tree is as it must be
}

// ErrNoKernels is wrapped by the error of a Request whose every Spec was culled.
var ErrNoKernels = errors.New("no kernels")

// ErrNeedCompiler is wrapped by every *NeedCompilerError.
var ErrNeedCompiler = errors.New("NVRTC is needed")

// NeedCompilerError names what must be compiled where nothing can compile it.
type NeedCompilerError struct {
	Of     []string // packages, or kernels
	Reason error    // why the images that there are do not do for the first of them
}

func (e *NeedCompilerError) Error() string {
	return fmt.Sprintf("%v to compile %s (%v): use a sigattn-gen built with the tag nvrtc, as make in a clone of %s builds it",
		ErrNeedCompiler, someOf(e.Of), e.Reason, runtimePath)
}

func (e *NeedCompilerError) Unwrap() error { return ErrNeedCompiler }

// someOf lists names, at most three of them.
func someOf(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
}

// Generate makes the packages that request asks for and writes them to opts.Out, which afterwards holds them and none
// that an earlier call made and this request does not ask for. Files that are as they must be are left alone, and so is
// everything that no call made.
//
// Where ctx ends the call, or it fails, the folder is as before. See tree.write for what a kill can leave. Errors are
// *ValueError and *BudgetError about the request, *TemplateError, the Compiler's own, and those that wrap ErrNoKernels,
// ErrImage, ErrNeedCompiler, ErrModule or ErrOutput.
func Generate(ctx context.Context, request Request, opts Options) (Result, error) {
	r := run{request: request, options: opts, templates: templates.FS}
	err := r.all(ctx)
	return r.result(), err
}

// Check says in Result.Changes how opts.Out differs from what Generate would leave, and writes nothing. An archive is
// right where it was made of the right sources; only with opts.Recompile are images compiled and compared.
func Check(ctx context.Context, request Request, opts Options) (Result, error) {
	r := run{request: request, options: opts, templates: templates.FS, checking: true}
	if !opts.Recompile {
		r.options.Compiler = nil
	}
	err := r.all(ctx)
	return r.result(), err
}

func (r *run) result() Result {
	result := Result{Culled: r.culled, Changes: r.changes}
	for _, p := range r.packages {
		result.Packages = append(result.Packages, p.PackagePlan)
	}
	return result
}
