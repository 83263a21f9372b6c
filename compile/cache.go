package compile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	cacheFormat = "sigattn compile cache 1" // changes with the entries' form
	cacheLimit  = 1 << 30                   // bytes; the entries used longest ago go first
	entrySuffix = ".entry"
	tempPrefix  = "tmp-"
	tempAge     = time.Hour // a temporary file older than this belongs to a process that was killed
)

// cache keeps outputs on disk, one file each. Files appear by rename and carry a checksum, so that neither parallel
// processes nor a kill need locks: an entry is whole or it is compiled again.
type cache struct{ dir string }

// DefaultCacheDir is where compiled kernels are kept unless Options name another place: sigattn in os.UserCacheDir.
func DefaultCacheDir() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: CacheDir is needed: %w", ErrCache, err)
	}
	return filepath.Join(user, "sigattn"), nil
}

// openCache makes dir, or the default for "".
func openCache(dir string) (cache, error) {
	if dir == "" {
		var err error
		if dir, err = DefaultCacheDir(); err != nil {
			return cache{}, err
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return cache{}, fmt.Errorf("%w: CacheDir: %w", ErrCache, err)
	}
	return cache{dir}, nil
}

// key names an entry by all that its content depends on.
type key struct {
	name string // for readers of the directory
	sum  [sha256.Size]byte
}

func newKey(compilerID string, options []string, s Source) key {
	h := sha256.New()
	for _, part := range append([]string{cacheFormat, compilerID, s.Name, string(s.Text)}, options...) {
		var size [8]byte
		binary.LittleEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return key{s.Name, [sha256.Size]byte(h.Sum(nil))}
}

func (c cache) path(k key) string {
	return filepath.Join(c.dir, k.name+"-"+hex.EncodeToString(k.sum[:16])+entrySuffix)
}

// checksum covers the key, so that an entry under another's name is refused.
func (k key) checksum(body []byte) [sha256.Size]byte {
	return sha256.Sum256(append(k.sum[:], body...))
}

// load gives k's output; false where there is no whole entry.
func (c cache) load(k key) (output, bool) {
	path := c.path(k)
	data, err := os.ReadFile(path)
	if err != nil || len(data) < sha256.Size {
		return output{}, false
	}
	sum, body := data[:sha256.Size], data[sha256.Size:]
	if k.checksum(body) != [sha256.Size]byte(sum) {
		return output{}, false
	}
	var out output
	if err := gob.NewDecoder(bytes.NewReader(body)).Decode(&out); err != nil {
		return output{}, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // only pruning minds; a read-only cache still serves
	return out, true
}

// store writes k's entry, replacing what is there.
func (c cache) store(k key, out output) error {
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(out); err != nil {
		return fmt.Errorf("%w: %w", ErrCache, err)
	}
	sum := k.checksum(body.Bytes())
	if err := c.write(c.path(k), append(sum[:], body.Bytes()...)); err != nil {
		return fmt.Errorf("%w: %w", ErrCache, err)
	}
	return nil
}

func (c cache) write(path string, data []byte) error {
	f, err := os.CreateTemp(c.dir, tempPrefix)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// prune removes the entries used longest ago until at most limit bytes are left, and what killed processes left behind.
// What cannot be removed now is left for the next time.
func (c cache) prune(limit int64, now time.Time) {
	dir, _ := os.ReadDir(c.dir)
	var (
		entries []os.FileInfo
		total   int64
	)
	for _, e := range dir {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		switch {
		case strings.HasSuffix(info.Name(), entrySuffix):
			entries = append(entries, info)
			total += info.Size()
		case strings.HasPrefix(info.Name(), tempPrefix) && now.Sub(info.ModTime()) > tempAge:
			os.Remove(filepath.Join(c.dir, info.Name()))
		}
	}
	slices.SortStableFunc(entries, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, e := range entries {
		if total <= limit {
			break
		}
		os.Remove(filepath.Join(c.dir, e.Name()))
		total -= e.Size()
	}
}
