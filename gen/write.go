package gen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stagingName is the folder inside an output folder in which a run prepares what it is about to put in place.
const stagingName = ".sigattn-gen"

// write makes the folder on disk what t says.
//
// Everything is prepared beside its place and on stable storage before the first rename, and ctx counts only up to
// there. Then:
//
//   - Where the output folder is new or holds nothing but our files, one rename puts the whole tree in place, and a
//     kill or a power cut at any moment leaves it as before or complete.
//   - Where it also holds foreign files, is the working directory, or can not be renamed (a mount point), one rename
//     per package puts that package in place, then one the selector's file; then stale files go, a package's Go file
//     first. A kill between two renames leaves every package as before or complete, and the folder one that builds.
//   - Where the system cannot exchange two folders in one step (not Linux or macOS, or an overlay's lower layer), the
//     files of a package are renamed one by one, its Go file last.
//
// What a kill leaves half-made is hidden from Go and from Check, and the next call removes it and completes the tree.
// Concurrent calls take turns.
func (t tree) write(ctx context.Context) error {
	parent := filepath.Dir(t.root)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrOutput, err)
	}
	unlock, err := lockFolder(ctx, parent)
	if err != nil {
		return err
	}
	defer unlock()
	if err := t.clean(); err != nil {
		return fmt.Errorf("%w: %w", ErrOutput, err)
	}
	found, err := scan(t.root) // again, now that nobody else writes
	if err != nil {
		return err
	}
	changes, err := t.changes(found)
	if err != nil || len(changes) == 0 {
		return err
	}
	if found.wholly() && !holdsWorkingDirectory(t.root) {
		err := t.writeWhole(ctx, found)
		if !errors.Is(err, errNotWhole) {
			return err
		}
	}
	return t.writePackages(ctx, found)
}

// beside is the staging folder next to the output folder, for a whole tree.
func (t tree) beside() string {
	return filepath.Join(filepath.Dir(t.root), "."+filepath.Base(t.root)+stagingName)
}

// clean removes what a run that was killed left.
func (t tree) clean() error {
	return errors.Join(os.RemoveAll(t.beside()), os.RemoveAll(filepath.Join(t.root, stagingName)))
}

// errNotWhole says that the output folder cannot be put in place as one.
var errNotWhole = errors.New("not as a whole")

// writeWhole prepares all of t beside the output folder and puts it in its place in one step.
func (t tree) writeWhole(ctx context.Context, found scanned) (err error) {
	staging := t.beside()
	if err := os.Mkdir(staging, 0o755); err != nil {
		return errNotWhole
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	for _, f := range t.folders {
		if err := t.stageFolder(ctx, filepath.Join(staging, f.name), f, found.folders[f.name]); err != nil {
			return err
		}
	}
	if err := t.stageFile(staging, t.selector, t.root, found.files); err != nil {
		return err
	}
	if err := syncFolder(staging); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if !found.exists {
		err = os.Rename(staging, t.root)
	} else if err = copyMode(t.root, staging); err == nil {
		err = exchange(staging, t.root)
	}
	if err != nil {
		return errNotWhole
	}
	return syncFolder(filepath.Dir(t.root))
}

// writePackages prepares what changes inside the output folder and puts one package after another in place.
func (t tree) writePackages(ctx context.Context, found scanned) (err error) {
	staging := filepath.Join(t.root, stagingName)
	if err := os.MkdirAll(staging, 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrOutput, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging), syncFolder(t.root)) }()
	var changed []folder
	for _, f := range t.folders {
		if len(f.changes(found.folders[f.name])) == 0 {
			continue
		}
		changed = append(changed, f)
		if err := t.stageFolder(ctx, filepath.Join(staging, f.name), f, found.folders[f.name]); err != nil {
			return err
		}
	}
	if err := t.stageFile(staging, t.selector, t.root, found.files); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	for _, f := range changed {
		if err := t.placeFolder(filepath.Join(staging, f.name), f, found.folders[f.name]); err != nil {
			return err
		}
	}
	if t.selector.compare(found.files) != "" {
		if err := os.Rename(filepath.Join(staging, t.selector.name), filepath.Join(t.root, t.selector.name)); err != nil {
			return err
		}
	}
	return t.prune(t.stale(found))
}

// placeFolder puts a staged package in its place.
func (t tree) placeFolder(staged string, f folder, have *scannedFolder) error {
	place := filepath.Join(t.root, f.name)
	if have == nil {
		return os.Rename(staged, place)
	}
	if exchange(staged, place) == nil {
		return nil
	}
	return t.placeFiles(staged, f, have)
}

// placeFiles puts a staged package's files in the place of have's, one by one.
func (t tree) placeFiles(staged string, f folder, have *scannedFolder) error {
	files := slices.Clone(f.files)
	slices.SortStableFunc(files, func(a, b file) int { return goRank(a.name) - goRank(b.name) })
	for _, want := range files {
		if err := os.Rename(filepath.Join(staged, want.name), filepath.Join(t.root, f.name, want.name)); err != nil {
			return err
		}
	}
	stale := slices.DeleteFunc(f.changes(have), func(c Change) bool { return c.Kind != Stale })
	return t.prune(stale)
}

// goRank orders Go files behind others.
func goRank(name string) int {
	if strings.HasSuffix(name, ".go") {
		return 1
	}
	return 0
}

// prune removes stale files of ours, Go files first, and the folders that this leaves empty.
func (t tree) prune(stale []Change) error {
	slices.SortFunc(stale, func(a, b Change) int {
		return cmp.Or(goRank(b.Path)-goRank(a.Path), strings.Compare(a.Path, b.Path))
	})
	folders := map[string]bool{}
	for _, c := range stale {
		path := filepath.Join(t.root, filepath.FromSlash(c.Path))
		if err := os.Remove(path); err != nil {
			return err
		}
		folders[filepath.Dir(path)] = true
	}
	delete(folders, t.root)
	for folder := range folders {
		if entries, err := os.ReadDir(folder); err == nil && len(entries) == 0 {
			if err := os.Remove(folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// stageFolder writes f's files to a new folder at path.
func (t tree) stageFolder(ctx context.Context, path string, f folder, have *scannedFolder) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	var files map[string][]byte
	if have != nil {
		files = have.files
	}
	for _, want := range f.files {
		if err := t.stageFile(path, want, filepath.Join(t.root, f.name), files); err != nil {
			return err
		}
	}
	return syncFolder(path)
}

// stageFile writes f to folder. A file that is right already, in place, is linked where the system can, and so keeps
// its time.
func (t tree) stageFile(folder string, f file, place string, have map[string][]byte) error {
	path := filepath.Join(folder, f.name)
	if f.compare(have) == "" && os.Link(filepath.Join(place, f.name), path) == nil {
		return nil
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(f.data)
	return errors.Join(err, out.Sync(), out.Close())
}
