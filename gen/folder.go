package gen

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// resolveFolder is path, absolute and without symbolic links. It need not exist, but what is there of it must be
// folders; else the error is a *NotFolderError.
func resolveFolder(path string) (string, error) {
	if path == "" {
		return "", &ValueError{What: "output folder", Value: path, Legal: "the path of a folder"}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	missing := ""
	for at := absolute; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir(), isNotFolder(err):
			return "", &NotFolderError{Path: path}
		case err == nil:
			real, err := filepath.EvalSymlinks(at)
			return filepath.Join(real, missing), err
		case !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at):
			return "", err
		}
		if _, err := os.Lstat(at); err == nil { // a symbolic link to nothing
			return "", &NotFolderError{Path: path}
		}
		missing = filepath.Join(filepath.Base(at), missing)
	}
}

// readIfThere is the file's contents, or nil where there is no such file.
func readIfThere(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil, nil
	}
	if data == nil && err == nil {
		data = []byte{}
	}
	return data, err
}
