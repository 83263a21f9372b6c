package gen

import (
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// ErrModule is wrapped by the errors of a folder that no Go module holds.
var ErrModule = errors.New("no Go module")

// importPath is the import path of the packages in folder, an absolute path that need not exist: that of the go.mod at
// or above it.
func importPath(folder string) (string, error) {
	for at := folder; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "go.mod"))
		switch {
		case err == nil:
			module := modfile.ModulePath(text)
			if module == "" {
				return "", fmt.Errorf("%w: %s names no module", ErrModule, filepath.Join(at, "go.mod"))
			}
			below, err := filepath.Rel(at, folder)
			if err != nil {
				return "", err
			}
			return path.Join(module, filepath.ToSlash(below)), nil
		case !errors.Is(err, fs.ErrNotExist) && !isNotFolder(err):
			return "", err
		case at == filepath.Dir(at):
			return "", fmt.Errorf("%w: neither %s nor a folder above it holds a go.mod; run go mod init there", ErrModule, folder)
		}
	}
}

// selectorName is the name of the package in folder itself: the folder's, in lower case and without what a package name
// may not hold.
func selectorName(folder string) (string, error) {
	base := filepath.Base(folder)
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(base))
	if !token.IsIdentifier(name) || name == "main" {
		return "", &ValueError{What: "output folder", Value: base, Legal: "names that become a Go package's: letters and digits, a letter first, no keyword, not main"}
	}
	return name, nil
}
