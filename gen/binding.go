package gen

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dave/jennifer/jen"

	"github.com/sigattn/sigattn"
)

// runtimePath is what generated packages import, and all that they import beside the standard library.
const runtimePath = "github.com/sigattn/sigattn"

// packageSource is the Go file of one generated package, at its import path below folder's.
func packageSource(p PackagePlan, folderPath string) ([]byte, error) {
	f := newFile(folderPath+"/"+p.Name(), p.Name(), packageComment(p))
	f.Anon("embed")
	f.Comment("//go:embed " + ArchiveName)
	f.Var().Id("archive").String()
	f.Line()
	f.Var().Id("description").Op("=").Qual(runtimePath, "Package").ValuesFunc(func(g *jen.Group) {
		field := func(name string, value jen.Code) { g.Line().Id(name).Op(":").Add(value) }
		field("Name", jen.Lit(p.Name()))
		field("HeadDim", jen.Lit(p.HeadDim))
		field("DType", runtimeConst(p.DType))
		field("Mask", runtimeConst(p.Mask))
		field("Sigmoid", runtimeConst(p.Sigmoid))
		field("Kernels", jen.Index().Qual(runtimePath, "KernelInfo").ValuesFunc(func(g *jen.Group) {
			for _, plan := range p.Plans {
				g.Line().Add(kernelInfo(plan))
			}
			g.Line()
		}))
		field("Archive", jen.Id("archive"))
		g.Line()
	})
	f.Line()
	f.Comment("Package describes the kernels and holds their images. It is shared: do not change it.")
	f.Func().Id("Package").Params().Op("*").Qual(runtimePath, "Package").Block(
		jen.Return(jen.Op("&").Id("description")),
	)
	f.Line()
	f.Comment("Load readies the kernels for the device of the calling thread's CUDA context. Its errors are sigattn.Load's.")
	f.Func().Id("Load").Params().Params(jen.Op("*").Qual(runtimePath, "Kernel"), jen.Error()).Block(
		jen.Return(jen.Qual(runtimePath, "Load").Call(jen.Op("&").Id("description"))),
	)
	f.Line()
	addGuard(f)
	return source(f)
}

// newFile is a generated Go file with its header and its package's comment.
func newFile(path, name, comment string) *jen.File {
	f := jen.NewFilePathName(path, name)
	f.HeaderComment(generatedLine)
	for line := range strings.Lines(comment) {
		f.PackageComment(strings.TrimSuffix(strings.ReplaceAll("// "+line, "// \t", "//\t"), "\n")) // a comment of one line stays one of //
	}
	f.ImportName(runtimePath, "sigattn")
	return f
}

func source(f *jen.File) ([]byte, error) {
	var b strings.Builder
	if err := f.Render(&b); err != nil {
		return nil, fmt.Errorf("binding: %w", err)
	}
	return []byte(b.String()), nil
}

// addGuard makes the package refuse to compile beside another version of the runtime's ABI.
func addGuard(f *jen.File) {
	f.Func().Id("_").Params().Block(
		jen.Comment("An index out of bounds here says that this package was made for another version of"),
		jen.Comment("github.com/sigattn/sigattn. Run sigattn-gen again to make it anew."),
		jen.Var().Id("x").Index(jen.Lit(1)).Struct(),
		jen.Id("_").Op("=").Id("x").Index(jen.Qual(runtimePath, "ABIVersion").Op("-").Lit(sigattn.ABIVersion)),
	)
}

func kernelInfo(p Plan) jen.Code {
	return jen.Values(
		jen.Line().Id("Name").Op(":").Lit(p.Name()),
		jen.Line().Id("Pass").Op(":").Add(runtimeConst(p.Pass)).Op(",").Id("Arch").Op(":").Add(runtimeConst(p.Arch)),
		jen.Line().Id("TileM").Op(":").Lit(p.M).Op(",").Id("TileN").Op(":").Lit(p.N).Op(",").
			Id("Threads").Op(":").Lit(p.Threads).Op(",").Id("SharedBytes").Op(":").Lit(p.SharedBytes),
		jen.Line(),
	)
}

// runtimeConst is the root package's name for a value of one of its enumerations.
func runtimeConst(value any) *jen.Statement {
	names := map[any]string{
		sigattn.SM80: "SM80", sigattn.SM86: "SM86", sigattn.SM89: "SM89", sigattn.SM90: "SM90",
		sigattn.BF16: "BF16", sigattn.FP16: "FP16",
		sigattn.Full: "Full", sigattn.Causal: "Causal",
		sigattn.Accurate: "Accurate", sigattn.Tanh: "Tanh",
		sigattn.Forward: "Forward", sigattn.ForwardSplit: "ForwardSplit",
		sigattn.BackwardFused: "BackwardFused", sigattn.BackwardOrdered: "BackwardOrdered", sigattn.BackwardDKV: "BackwardDKV",
		sigattn.BackwardDQ: "BackwardDQ", sigattn.BackwardFinish: "BackwardFinish",
	}
	return jen.Qual(runtimePath, names[value])
}

// packageComment says what the package computes, on what, and with which kernels.
func packageComment(p PackagePlan) string {
	what, rows, keys := "O = σ(scale·Q·Kᵀ + bias)·V and its gradients", "Q, O, dO and dQ", "K, V, dK and dV"
	switch {
	case !p.has(sigattn.Forward):
		what, rows = "the gradients of O = σ(scale·Q·Kᵀ + bias)·V", "Q, dO and dQ"
	case !p.backward():
		what, rows, keys = "O = σ(scale·Q·Kᵀ + bias)·V", "Q and O", "K and V"
	}
	visible := "Every query sees every key."
	if p.Mask == sigattn.Causal {
		visible = "Query i sees key j where j ≤ i + SeqLenK − SeqLenQ; one that sees none gives 0."
	}
	accuracy := map[sigattn.DType]string{sigattn.BF16: "5e-4", sigattn.FP16: "1e-4"}[p.DType]
	sigmoid := "σ is accurate: its relative error is at most " + accuracy + " for every logit."
	if p.Sigmoid == sigattn.Tanh {
		sigmoid = "σ is one tanh.approx: its absolute error is near 1e-6, its relative error grows as σ falls."
	}
	later := "arch for later ones. "
	if p.hopper() {
		later = `arch for later ones; but images for sm_90 run on 9.0 alone, where a tensor map can describe every tensor, as
[sigattn.Kernel.ForwardImage] says. `
	}
	return fmt.Sprintf(`Package %s is sigmoid attention on %s tensors: %s.

%s are [Batch, SeqLenQ, HeadsQ, HeadDim]; %s are [Batch, SeqLenK, HeadsKV,
HeadDim]. HeadDim is any multiple of 8 up to %d, and HeadsKV divides HeadsQ. Strides are free and count elements; the
last dimension is contiguous, and rows start at multiples of 16 bytes.

%s
Products accumulate in float32. %s

The kernels, whose tiles are query rows × keys and whose shared memory is in bytes per block:

%s
The archive holds a cubin of each, for GPUs of the same major version from its arch on, and PTX of each pass's lowest
%sThe .cu files are the images' sources, there to be read: a build does not need them.`,
		p.Name(), dtypeWords(p.DType), what, rows, keys, p.HeadDim, visible, sigmoid, kernelTable(p), later)
}

// hopper says whether p has a kernel of the sm_90 family.
func (p PackagePlan) hopper() bool {
	return slices.ContainsFunc(p.Plans, func(plan Plan) bool { return isHopper(plan.Spec) })
}

// backward says whether p has what some mode of the backward pass needs.
func (p PackagePlan) backward() bool {
	return p.has(sigattn.BackwardFused) || p.has(sigattn.BackwardDKV) || p.has(sigattn.BackwardDQ)
}

func dtypeWords(d sigattn.DType) string {
	if d == sigattn.BF16 {
		return "bfloat16"
	}
	return "float16"
}

// kernelTable is one line per kernel, as a code block of a doc comment.
func kernelTable(p PackagePlan) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "pass\tarch\ttile\tstages\tthreads\tshared memory\t\n")
	for _, plan := range p.Plans {
		tile := fmt.Sprintf("%d × %d", plan.M, plan.N)
		if plan.Pass == sigattn.BackwardFinish {
			tile = fmt.Sprintf("%d rows", plan.M)
		}
		fmt.Fprintf(w, "%v\t%v\t%s\t%d\t%d\t%d\t\n", plan.Pass, plan.Arch, tile, plan.Stages, plan.Threads, plan.SharedBytes)
	}
	_ = w.Flush() // to memory: it cannot fail
	var indented strings.Builder
	for line := range strings.Lines(b.String()) {
		indented.WriteString("\t" + strings.TrimRight(line, " \n") + "\n")
	}
	return indented.String()
}
