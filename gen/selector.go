package gen

import (
	"fmt"
	"strings"

	"github.com/dave/jennifer/jen"
)

// selectorSource is the Go file of the package in the output folder itself, which picks one of packages by Spec at run
// time.
func selectorSource(name, folderPath string, packages []PackagePlan) ([]byte, error) {
	f := newFile(folderPath, name, fmt.Sprintf(`Package %s picks a generated package by Spec at run time.

A program that knows at build time what it needs imports that package alone, and embeds only its images:

%s`, name, packageList(packages)))
	for _, p := range packages {
		f.ImportName(folderPath+"/"+p.Name(), p.Name())
	}

	f.Comment("packages are ordered by head dim, so that the first that serves a Spec wastes least.")
	f.Var().Id("packages").Op("=").Index().Op("*").Qual(runtimePath, "Package").ValuesFunc(func(g *jen.Group) {
		for _, p := range packages {
			g.Line().Qual(folderPath+"/"+p.Name(), "Package").Call()
		}
		g.Line()
	})
	f.Line()
	f.Comment("Spec says what attention is wanted.")
	f.Type().Id("Spec").Struct(
		jen.Id("HeadDim").Int().Comment("of the tensors: a positive multiple of 8"),
		jen.Id("DType").Qual(runtimePath, "DType"),
		jen.Id("Mask").Qual(runtimePath, "Mask"),
		jen.Id("Sigmoid").Qual(runtimePath, "Sigmoid").Comment("0 means sigattn.Accurate"),
	)
	f.Line()
	f.Comment("ErrNoPackage is wrapped by every *NoPackageError.")
	f.Var().Id("ErrNoPackage").Op("=").Qual("errors", "New").Call(jen.Lit("no generated package"))
	f.Line()
	f.Comment("NoPackageError is a Spec that no package of this folder serves.")
	f.Type().Id("NoPackageError").Struct(jen.Id("Spec").Id("Spec"))
	f.Line()
	f.Func().Params(jen.Id("e").Op("*").Id("NoPackageError")).Id("Error").Params().String().Block(
		jen.Id("names").Op(":=").Make(jen.Index().String(), jen.Len(jen.Id("packages"))),
		jen.For(jen.List(jen.Id("i"), jen.Id("p")).Op(":=").Range().Id("packages")).Block(
			jen.Id("names").Index(jen.Id("i")).Op("=").Id("p").Dot("Name"),
		),
		jen.Return(jen.Qual("fmt", "Sprintf").Call(
			jen.Lit("%v serves head dim %d, %v, %v mask, %v sigmoid; there are %s, each for positive multiples of 8 up to its head dim"),
			jen.Line().Id("ErrNoPackage"), jen.Id("e").Dot("Spec").Dot("HeadDim"), jen.Id("e").Dot("Spec").Dot("DType"),
			jen.Id("e").Dot("Spec").Dot("Mask"), jen.Id("e").Dot("Spec").Dot("Sigmoid"),
			jen.Qual("strings", "Join").Call(jen.Id("names"), jen.Lit(", ")),
		)),
	)
	f.Line()
	f.Comment("Unwrap gives ErrNoPackage.")
	f.Func().Params(jen.Id("e").Op("*").Id("NoPackageError")).Id("Unwrap").Params().Error().Block(jen.Return(jen.Id("ErrNoPackage")))
	f.Line()
	f.Comment("Packages lists all packages of this folder by head dim, storage type, mask and sigmoid.")
	f.Func().Id("Packages").Params().Index().Op("*").Qual(runtimePath, "Package").Block(
		jen.Return(jen.Qual("slices", "Clone").Call(jen.Id("packages"))),
	)
	f.Line()
	f.Comment("Find is the package of the smallest head dim that serves spec. The error is a *NoPackageError.")
	f.Func().Id("Find").Params(jen.Id("spec").Id("Spec")).Params(jen.Op("*").Qual(runtimePath, "Package"), jen.Error()).Block(
		jen.If(jen.Id("spec").Dot("Sigmoid").Op("==").Lit(0)).Block(
			jen.Id("spec").Dot("Sigmoid").Op("=").Qual(runtimePath, "Accurate"),
		),
		jen.Id("legal").Op(":=").Id("spec").Dot("HeadDim").Op(">").Lit(0).Op("&&").Id("spec").Dot("HeadDim").Op("%").Lit(8).Op("==").Lit(0),
		jen.For(jen.List(jen.Id("_"), jen.Id("p")).Op(":=").Range().Id("packages")).Block(
			jen.If(
				jen.Id("legal").Op("&&").Id("spec").Dot("HeadDim").Op("<=").Id("p").Dot("HeadDim").Op("&&").
					Line().Id("spec").Dot("DType").Op("==").Id("p").Dot("DType").Op("&&").
					Id("spec").Dot("Mask").Op("==").Id("p").Dot("Mask").Op("&&").
					Id("spec").Dot("Sigmoid").Op("==").Id("p").Dot("Sigmoid"),
			).Block(jen.Return(jen.Id("p"), jen.Nil())),
		),
		jen.Return(jen.Nil(), jen.Op("&").Id("NoPackageError").Values(jen.Dict{jen.Id("Spec"): jen.Id("spec")})),
	)
	f.Line()
	f.Comment("Load readies the kernels that serve spec for the device of the calling thread's CUDA context. The error is a")
	f.Comment("*NoPackageError or sigattn.Load's.")
	f.Func().Id("Load").Params(jen.Id("spec").Id("Spec")).Params(jen.Op("*").Qual(runtimePath, "Kernel"), jen.Error()).Block(
		jen.List(jen.Id("p"), jen.Err()).Op(":=").Id("Find").Call(jen.Id("spec")),
		jen.If(jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Nil(), jen.Err())),
		jen.Return(jen.Qual(runtimePath, "Load").Call(jen.Id("p"))),
	)
	f.Line()
	addGuard(f)
	return source(f)
}

// packageList is one line per package, as a code block of a doc comment.
func packageList(packages []PackagePlan) string {
	var lines []string
	for _, p := range packages {
		lines = append(lines, fmt.Sprintf("\t%s: %s, head dims up to %d, %v mask, %v sigmoid",
			p.Name(), dtypeWords(p.DType), p.HeadDim, p.Mask, p.Sigmoid))
	}
	return strings.Join(lines, "\n")
}
