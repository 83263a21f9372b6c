package gen

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"
)

// renderedD32 is a package of an sm_80, an sm_86 and an sm_90 kernel without templates.
func renderedD32(t testing.TB) renderedPackage {
	plans := []Plan{
		planned(t, "sigattn_fwd_sm80_d32_bf16_full_128x64x3w4"),
		planned(t, "sigattn_fwd_sm86_d32_bf16_full_64x64x3w4"),
		planned(t, "sigattn_fwd_sm90_d32_bf16_full_128x64x2w12t1"),
	}
	p := renderedPackage{PackagePlan: Packages(plans)[0]}
	for _, plan := range p.Plans {
		p.kernels = append(p.kernels, kernel{plan, []byte("source of " + plan.Name())})
	}
	return p
}

func packed(t testing.TB, p renderedPackage) []byte {
	var sources []Source
	for _, k := range p.kernels {
		sources = append(sources, Source{k.plan.Name(), k.source, k.plan.Arch})
	}
	compiled, err := fakeCompiler(t.Context(), sources)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := packArchive(p, compiled.By, compiled.Images)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func TestArchive(t *testing.T) {
	p := renderedD32(t)
	archive := packed(t, p)
	if !bytes.Equal(archive, packed(t, p)) {
		t.Error("two archives of the same images differ")
	}
	if err := checkArchive(p, archive); err != nil {
		t.Error(err)
	}
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		if f.ModifiedDate != 0 || f.ModifiedTime != 0 || len(f.Extra) > 0 { //nolint:staticcheck // the fields as they are on disk
			t.Errorf("%s carries a time (%v) or more (%v)", f.Name, f.Modified, f.Extra)
		}
	}
	// PTX of the lowest arch and of sm_90.
	want := "manifest.json sigattn_fwd_sm80_d32_bf16_full_128x64x3w4.cubin sigattn_fwd_sm80_d32_bf16_full_128x64x3w4.ptx sigattn_fwd_sm86_d32_bf16_full_64x64x3w4.cubin " +
		"sigattn_fwd_sm90_d32_bf16_full_128x64x2w12t1.cubin sigattn_fwd_sm90_d32_bf16_full_128x64x2w12t1.ptx"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("entries %s", got)
	}
	m, err := ReadArchive(archive)
	if err != nil || m.Compiler != "fake 1.0" || m.Kernels[0].Report().Registers != 100 || m.Kernels[0].SharedBytes != p.Plans[0].SharedBytes {
		t.Errorf("manifest %+v, %v", m, err)
	}
}

func TestArchiveOfOtherSources(t *testing.T) {
	p := renderedD32(t)
	archive := packed(t, p)
	for what, change := range map[string]func(*renderedPackage){
		"made of another source":              func(p *renderedPackage) { p.kernels[1].source = []byte("another") },
		"it holds 3 kernels and not 1":        func(p *renderedPackage) { p.kernels = p.kernels[:1] },
		"planned with other shared memory":    func(p *renderedPackage) { p.kernels[0].plan.SharedBytes++ },
		"kernel 0 is":                         func(p *renderedPackage) { p.kernels[0].plan.M = 64 },
		"lacks an image, or has one too many": func(p *renderedPackage) { p.Plans = p.Plans[1:] },
	} {
		other := renderedD32(t)
		change(&other)
		if err := checkArchive(other, archive); !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), what) {
			t.Errorf("%v; want %q", err, what)
		}
	}
}

func TestDamagedArchive(t *testing.T) {
	p := renderedD32(t)
	archive := packed(t, p)
	for n := range archive {
		if err := checkArchive(p, archive[:n]); !errors.Is(err, ErrArchive) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(archive), err)
		}
	}
	images := 0
	for n := range archive {
		damaged := bytes.Clone(archive)
		damaged[n] ^= 0x10
		// A flip that goes unseen may only be in bytes that mean nothing: what is read must be the same.
		m, err := ReadArchive(damaged)
		if err == nil {
			images++
			if checkArchive(p, damaged) == nil && m.Kernels[0].CubinSHA256 != digest([]byte("cubin of "+digest(p.kernels[0].source))) {
				t.Fatalf("byte %d flipped: another image was taken", n)
			}
		} else if !errors.Is(err, ErrArchive) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
	}
	if images > len(archive)/3 {
		t.Errorf("%d of %d flips were not seen", images, len(archive))
	}
}

func FuzzReadArchive(f *testing.F) {
	f.Add([]byte("PK\x05\x06"))
	f.Add(packed(f, renderedD32(f)))
	f.Fuzz(func(t *testing.T, archive []byte) {
		if _, err := ReadArchive(archive); err != nil && !errors.Is(err, ErrArchive) {
			t.Fatal(err)
		}
	})
}
