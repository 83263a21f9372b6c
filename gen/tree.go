package gen

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"
)

// tree is what an output folder must hold of ours: one folder per package, and the selector's file.
type tree struct {
	root     string // absolute
	folders  []folder
	selector file
}

// folder is one package's files, ordered by name. A file without data is one that could not be made.
type folder struct {
	name  string
	files []file
}

func byName(a, b file) int { return cmp.Compare(a.name, b.name) }

// ChangeKind says how a file differs from what it must be.
type ChangeKind string

// Kinds of Change.
const (
	Missing ChangeKind = "missing" // it is not there
	Differs ChangeKind = "differs" // it holds something else
	Stale   ChangeKind = "stale"   // an earlier call made it, and it is not asked for
)

// Change is one file that is not as it must be.
type Change struct {
	Path string // below the output folder, with slashes
	Kind ChangeKind
}

// compare lists how the folder on disk differs from t, by path. The error is a *ForeignError where something that is
// not ours has the place of something that must change.
func (t tree) compare() ([]Change, error) {
	found, err := scan(t.root)
	if err != nil {
		return nil, err
	}
	changes, err := t.changes(found)
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	return changes, err
}

func (t tree) changes(found scanned) ([]Change, error) {
	var changes []Change
	for _, want := range t.folders {
		have := found.folders[want.name]
		in := want.changes(have)
		if len(in) == 0 {
			continue
		}
		if have != nil && len(have.foreign) > 0 {
			return nil, &ForeignError{Path: filepath.Join(t.root, want.name, have.foreign[0])}
		}
		if slices.Contains(found.foreign, want.name) {
			return nil, &ForeignError{Path: filepath.Join(t.root, want.name)}
		}
		changes = append(changes, in...)
	}
	if slices.Contains(found.foreign, t.selector.name) {
		return nil, &ForeignError{Path: filepath.Join(t.root, t.selector.name)}
	}
	if kind := t.selector.compare(found.files); kind != "" {
		changes = append(changes, Change{t.selector.name, kind})
	}
	return append(changes, t.stale(found)...), nil
}

// stale lists our files that have no place in t, but those in folders that are t's.
func (t tree) stale(found scanned) []Change {
	var changes []Change
	for name := range found.files {
		if name != t.selector.name {
			changes = append(changes, Change{name, Stale})
		}
	}
	for name, have := range found.folders {
		if slices.ContainsFunc(t.folders, func(f folder) bool { return f.name == name }) {
			continue
		}
		for ours := range have.files {
			changes = append(changes, Change{name + "/" + ours, Stale})
		}
	}
	return changes
}

// changes lists how have, which is nil where there is no such folder, differs from f.
func (f folder) changes(have *scannedFolder) []Change {
	var files map[string][]byte
	if have != nil {
		files = have.files
	}
	var changes []Change
	for _, want := range f.files {
		if kind := want.compare(files); kind != "" {
			changes = append(changes, Change{f.name + "/" + want.name, kind})
		}
	}
	for name := range files {
		if !slices.ContainsFunc(f.files, func(want file) bool { return want.name == name }) {
			changes = append(changes, Change{f.name + "/" + name, Stale})
		}
	}
	return changes
}

// compare is "" where files hold f as it must be.
func (f file) compare(files map[string][]byte) ChangeKind {
	have, ok := files[f.name]
	switch {
	case !ok:
		return Missing
	case f.data == nil || !bytes.Equal(have, f.data):
		return Differs
	default:
		return ""
	}
}
