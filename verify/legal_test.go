//go:build linux && !android && (amd64 || arm64)

package verify

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/driver/fakecuda"
)

// loadable gives a package an archive whose images the driver's stand-in loads.
func loadable(t *testing.T, p *sigattn.Package) *sigattn.Package {
	t.Helper()
	var text strings.Builder
	w := zip.NewWriter(&text)
	add := func(name string, data []byte) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var kernels []map[string]any
	for i := range p.Kernels {
		k := &p.Kernels[i]
		k.Name = fmt.Sprintf("k_%v_sm%d_", k.Pass, int(k.Arch))
		k.Threads = 128
		image := []byte("ptx " + k.Name)
		add(k.Name+".ptx", image)
		kernels = append(kernels, map[string]any{"name": k.Name, "arch": k.Arch.String(), "ptx_sha256": fmt.Sprintf("%x", sha256.Sum256(image))})
	}
	manifest, err := json.Marshal(map[string]any{"kernels": kernels})
	if err != nil {
		t.Fatal(err)
	}
	add("manifest.json", manifest)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.Archive = text.String()
	return p
}

// TestEveryCaseIsLegal launches every case through the runtime's argument checks, with addresses that no memory is at, and
// holds its own idea of what a tensor map can describe to the runtime's. Both forward images of 9.0 have their share.
func TestEveryCaseIsLegal(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		settings := fakecuda.H100
		settings.Recording = false
		fake.Set(settings)
		err := driver.WithPrimary(0, func() error {
			p := fakePackage(sigattn.BF16, sigattn.Full)
			p.HeadDim = 128
			p.Kernels = append(p.Kernels, sigattn.KernelInfo{Pass: sigattn.Forward, Arch: sigattn.SM90, TileM: 192, TileN: 80})
			k, err := sigattn.Load(loadable(t, p))
			if err != nil {
				return err
			}
			ran := make(map[sigattn.Arch]int)
			for _, bare := range []bool{false, true} {
				for _, c := range casesFor(Long, p.HeadDim, tilesOf(k.Info()), 1, 2) {
					if err := launchNowhere(k, c, bare, ran); err != nil {
						t.Errorf("%s: %v", c.Name, err)
					}
				}
			}
			if ran[sigattn.SM90] < 100 || ran[sigattn.SM80] < 10 {
				t.Errorf("forward images ran %v times", ran)
			}
			return k.Close()
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// launchNowhere launches every mode of a case, and counts forward launches by their image.
func launchNowhere(k *sigattn.Kernel, c Case, bare bool, ran map[sigattn.Arch]int) error {
	e := &execution{kernel: k, Case: c, bare: bare, place: arrange(c.Layout, c.Shape, c.Seed, bare)}
	next := sigattn.DevicePtr(1 << 30)
	place := func(x extent) *memory {
		m := &memory{extent: x, base: next}
		next += sigattn.DevicePtr(2*x.length+1<<20) &^ 255
		return m
	}
	for _, x := range e.place.buffers {
		e.buffers = append(e.buffers, place(x))
	}
	e.dBias = place(e.biasExtent())
	images, failure, err := e.images(Forward)
	if failure != "" {
		err = errors.New(failure)
	}
	for _, i := range images {
		ran[i.Arch]++
	}
	err = errors.Join(err, e.forward(1))
	for _, mode := range []Mode{Backward, Deterministic} {
		bytes, sizeErr := k.WorkspaceSize(e.backwardArgs(mode))
		workspace := place(e.workspaceExtent(bytes))
		err = errors.Join(err, sizeErr, e.backward(1, mode, workspace, bytes))
	}
	return err
}
