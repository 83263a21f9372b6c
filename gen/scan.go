package gen

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// scanned is what an output folder holds.
type scanned struct {
	exists  bool
	files   map[string][]byte         // ours beside the packages: selectors
	folders map[string]*scannedFolder // those that hold files of ours
	foreign []string                  // everything else
}

// scannedFolder is a package's folder.
type scannedFolder struct {
	files   map[string][]byte // ours
	foreign []string
}

// wholly says whether everything that was found is ours.
func (s scanned) wholly() bool {
	for _, f := range s.folders {
		if len(f.foreign) > 0 {
			return false
		}
	}
	return len(s.foreign) == 0
}

// scan reads our files in root and in the folders right below it, and the names of all others there.
func scan(root string) (scanned, error) {
	found := scanned{files: map[string][]byte{}, folders: map[string]*scannedFolder{}}
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	found.exists = true
	for _, e := range entries {
		switch name := e.Name(); {
		case name == stagingName: // a dead run's; see clean
		case e.IsDir():
			f, err := scanFolder(filepath.Join(root, name))
			if err != nil {
				return found, err
			}
			if f == nil {
				found.foreign = append(found.foreign, name)
			} else {
				found.folders[name] = f
			}
		default:
			data, err := readOurs(root, e)
			if err != nil {
				return found, err
			}
			if data == nil {
				found.foreign = append(found.foreign, name)
			} else {
				found.files[name] = data
			}
		}
	}
	return found, nil
}

// scanFolder is nil where no file of ours is in folder.
func scanFolder(path string) (*scannedFolder, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	f := &scannedFolder{files: map[string][]byte{}}
	archive := false
	for _, e := range entries {
		data, err := readOurs(path, e)
		if err != nil {
			return nil, err
		}
		switch {
		case data != nil:
			f.files[e.Name()] = data
		case e.Name() == ArchiveName && e.Type().IsRegular():
			archive = true
		default:
			f.foreign = append(f.foreign, e.Name())
		}
	}
	if len(f.files) == 0 {
		return nil, nil
	}
	if archive { // a damaged one too is ours where it lies beside our sources
		if f.files[ArchiveName], err = os.ReadFile(filepath.Join(path, ArchiveName)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// readOurs is the contents of a text file that we made, and nil for anything else.
func readOurs(folder string, e fs.DirEntry) ([]byte, error) {
	extension := filepath.Ext(e.Name())
	if !e.Type().IsRegular() || extension != ".go" && extension != ".cu" || strings.HasPrefix(e.Name(), ".") {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(folder, e.Name()))
	if err != nil || !bytes.HasPrefix(data, []byte(generatedLine)) {
		return nil, err
	}
	return data, nil
}
