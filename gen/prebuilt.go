package gen

import (
	"errors"
	"os"
	"slices"
)

// Prebuilt takes images from the archives of the generated tree in folder, where they were made of the same sources with
// the same options. The error is a *NeedCompilerError where the tree lacks some, and wraps ErrArchive where folder holds
// no tree or a damaged one.
func Prebuilt(folder string, sources []Source) (Compiled, error) {
	paths, err := archivesIn(folder)
	if err != nil {
		return Compiled{}, err
	}
	var compiled Compiled
	found := map[string]prebuilt{}
	for _, path := range paths {
		archive, err := os.ReadFile(path)
		if err != nil {
			return Compiled{}, err
		}
		opened, err := openArchive(archive)
		if err != nil {
			return Compiled{}, err
		}
		compiled.By = opened.manifest.Compiler
		for _, k := range opened.manifest.Kernels {
			found[k.Name] = prebuilt{k, opened}
		}
	}
	var lacking []string
	for _, s := range sources {
		p := found[s.Name]
		if !p.fits(s) {
			lacking = append(lacking, s.Name)
			continue
		}
		image, err := p.in.image(p.entry)
		if err != nil {
			return Compiled{}, err
		}
		compiled.Images = append(compiled.Images, image)
	}
	if len(lacking) > 0 {
		return Compiled{}, &NeedCompilerError{Of: lacking, Reason: errors.New("it is in no prebuilt package, or was made of another source there")}
	}
	return compiled, nil
}

// prebuilt is what an archive says of an image, and the archive.
type prebuilt struct {
	entry ManifestKernel
	in    openedArchive
}

func (p prebuilt) fits(s Source) bool {
	return p.entry.SourceSHA256 == digest(s.Text) && slices.Equal(p.entry.Options, CompilerOptions(s.Arch))
}
