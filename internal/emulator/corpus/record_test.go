package corpus

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/emulator"
)

var (
	update = flag.Bool("update", false, "record what the GPU makes of the programs")
	out    = flag.String("out", "testdata", "`folder` that recordings are written to and read from")
	only   = flag.String("only", "", "`regexp` of the programs to record; empty is all")
)

const howToRecord = "record it on a machine with a GPU: go test ./internal/emulator/corpus -run TestRecord -update"

func goldenFile(p *Program) string { return filepath.Join(*out, p.Name+".golden") }

// TestRecord runs the programs on the GPU, with -update.
func TestRecord(t *testing.T) {
	if !*update {
		t.Skip("-update records what the GPU makes of the programs")
	}
	if err := driver.Open(); err != nil {
		t.Skip(err)
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := driver.WithPrimary(0, func() error { return record(t, wanted) }); err != nil {
		t.Fatal(err)
	}
}

// record runs on the thread with the context. Its error is one after which no program can be run.
func record(t *testing.T, wanted *regexp.Regexp) error {
	device, err := CurrentDevice()
	if err != nil {
		return err
	}
	recorded := 0
	for _, p := range Programs() {
		switch {
		case !wanted.MatchString(p.Name):
			continue
		case !Suits(p.Target, device.Capability):
			t.Logf("%s is left out: it is for %s, the device is sm_%d", p.Name, p.Target, device.Capability)
			continue
		}
		g, err := Record(p, device)
		if err != nil {
			t.Errorf("%s is not recorded: %v", p.Name, err)
			if lost := driver.Synchronize(); lost != nil {
				return fmt.Errorf("the context is lost after %s, so that nothing behind it is recorded: %w", p.Name, lost)
			}
			continue
		}
		file, err := g.Encode()
		if err != nil {
			return err
		}
		if err := os.WriteFile(goldenFile(p), file, 0o644); err != nil {
			return err
		}
		recorded++
	}
	t.Logf("recorded %d programs on %s, CUDA %s", recorded, device.Name, device.Driver)
	return nil
}

// TestGolden compares the emulator, and plain Go, with what was recorded.
func TestGolden(t *testing.T) {
	for _, p := range Programs() {
		t.Run(p.Name, func(t *testing.T) {
			file, err := os.ReadFile(goldenFile(p))
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("there is no recording; " + howToRecord)
			} else if err != nil {
				t.Fatal(err)
			}
			g, err := DecodeGolden(file)
			if err != nil {
				t.Fatal(err)
			}
			if g.Digest != p.Digest() {
				t.Fatalf("the program was changed since it was recorded on %s; %s", g.Device, howToRecord)
			}
			emulated, err := Emulate(p, emulator.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range Compare(p, emulated, g.Output) {
				t.Error(wrong)
			}
			for _, wrong := range Check(p, g.Output) {
				t.Errorf("%s, CUDA %s, gives %s", g.Device, g.Driver, wrong)
			}
			if n := Unlike(p, emulated, g.Output); n > 0 {
				t.Logf("%d elements are the same by their rules and not the same bits", n)
			}
		})
	}
}

// TestRecordingsHaveAProgram finds recordings that are left over.
func TestRecordingsHaveAProgram(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(*out, "*.golden"))
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	for _, p := range Programs() {
		named[p.Name] = true
	}
	for _, f := range files {
		if !named[strings.TrimSuffix(filepath.Base(f), ".golden")] {
			t.Errorf("%s is of no program", f)
		}
	}
}
