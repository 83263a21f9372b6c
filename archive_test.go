package sigattn

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// A package whose archive is damaged is refused by an error that names the package and, where there is one, the entry.
func TestDamagedArchives(t *testing.T) {
	kernels := allPasses(SM80)
	forward := kernels[0].Name
	edit := func(name string, change func([]byte) []byte) string {
		entries := entriesOf(t, kernels, everyImage)
		i := slices.IndexFunc(entries, func(e entry) bool { return e.name == name })
		entries[i].data = change(entries[i].data)
		return makeArchive(t, entries)
	}
	whole := makeArchive(t, entriesOf(t, kernels, everyImage))
	cases := []struct{ name, archive, entry string }{
		{"empty", "", ""},
		{"no zip", strings.Repeat("x", 4096), ""},
		{"truncated", whole[:len(whole)-7], ""},
		{"without a manifest", makeArchive(t, entriesOf(t, kernels, everyImage)[1:]), manifestName},
		{"a manifest that is no JSON", edit(manifestName, func(b []byte) []byte { return b[1:] }), manifestName},
		{"a manifest of other kernels", makeArchive(t, entriesOf(t, kernels[1:], everyImage)), forward},
		{"a kernel without an image", makeArchive(t, entriesOf(t, kernels, func(image string) bool { return !strings.HasPrefix(image, forward) })), forward},
		{"an image that the manifest names and the archive lacks", makeArchive(t, slices.DeleteFunc(entriesOf(t, kernels, everyImage), func(e entry) bool {
			return e.name == forward+ptxSuffix
		})), forward + ptxSuffix},
		{"another arch", edit(manifestName, func(b []byte) []byte { return bytes.Replace(b, []byte("sm_80\""), []byte("sm_90\""), 1) }), forward},
		{"other shared memory", edit(manifestName, func(b []byte) []byte { return bytes.Replace(b, []byte("98304"), []byte("98305"), 1) }), forward},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := makePackage(t, kernels...)
			p.Archive = c.archive
			_, err := openArchive(p)
			checkArchiveError(t, err, c.entry)
		})
	}
}

func checkArchiveError(t *testing.T, err error, entry string) {
	t.Helper()
	var e *ArchiveError
	if !errors.As(err, &e) || !errors.Is(err, ErrArchive) {
		t.Fatalf("got %v, want an *ArchiveError that wraps ErrArchive", err)
	}
	if e.Package != "d128bf16full" || e.Entry != entry || !strings.Contains(err.Error(), e.Package) || !strings.Contains(err.Error(), entry) {
		t.Errorf("got %+v (%v), want entry %q of d128bf16full", *e, err, entry)
	}
}

// No image is handed out that differs from what the generator packed, whichever bit of its data has changed.
func TestDamagedImages(t *testing.T) {
	kernels := allPasses(SM80)[:1]
	p := makePackage(t, kernels...)
	image := kernels[0].Name + cubinSuffix
	want := testImage(image)
	whole, err := openArchive(p)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := whole.image(image); err != nil || !bytes.Equal(data, want) {
		t.Fatalf("got %q, %v", data, err)
	}
	start, err := whole.files[image].DataOffset()
	if err != nil {
		t.Fatal(err)
	}
	size := int64(whole.files[image].CompressedSize64)
	for bit := range 8 * size {
		damaged := []byte(p.Archive)
		damaged[start+bit/8] ^= 1 << (bit % 8)
		p := *p
		p.Archive = string(damaged)
		a, err := openArchive(&p)
		if err != nil {
			t.Fatalf("bit %d: the directory and the manifest are whole: %v", bit, err)
		}
		// The last bits of deflated data may be padding, which says nothing.
		if data, err := a.image(image); err == nil && !bytes.Equal(data, want) {
			t.Fatalf("bit %d: got %q", bit, data)
		} else if err != nil {
			checkArchiveError(t, err, image)
		}
	}

	swapped := entriesOf(t, kernels, everyImage)
	swapped[1].data = testImage("another" + cubinSuffix)
	p.Archive = makeArchive(t, swapped) // the zip's checksums are right
	a, err := openArchive(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.image(image)
	checkArchiveError(t, err, image)
}
