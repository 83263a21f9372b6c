package gen

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockFolder waits until no other process holds folder's lock and takes it, where the system has such locks. The lock
// is the open folder's: it ends with the process, and nothing is left on disk.
func lockFolder(ctx context.Context, folder string) (unlock func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for tryLock(f) == errLocked {
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return func() { f.Close() }, nil
}

// syncFolder puts a folder's entries on stable storage, where the system can.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_ = f.Sync() // some systems refuse to sync a folder; there the renames are as durable as they get
	return nil
}

func copyMode(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.Chmod(to, info.Mode().Perm())
}

// holdsWorkingDirectory says whether the process works in folder or below it. Exchanging such a folder would leave the
// process, and the shell that began it, in the old one.
func holdsWorkingDirectory(folder string) bool {
	at, err := os.Getwd()
	if err != nil {
		return true
	}
	if at, err = filepath.EvalSymlinks(at); err != nil {
		return true
	}
	relative, err := filepath.Rel(folder, at)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}
