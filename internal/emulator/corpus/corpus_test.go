package corpus

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sigattn/sigattn/internal/emulator"
	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

var dump = flag.String("dump", "", "`folder` that the programs' texts are written to")

// ofHopper is what is listed for sm_90 and later alone, of which programs have what differs from other forms.
var ofHopper = regexp.MustCompile(`^(mbarrier|cp\.async\.(mbarrier|bulk)|cp\.reduce|prefetch|createpolicy|wgmma|setmaxnreg|elect|fence|griddepcontrol|` +
	`barrier\.cluster|mapa|getctarank|(ld|st)\.shared::|st\.async|stmatrix|ldmatrix.*shared::cta|ld\.acquire|st\.release|red.*\.v[24]\.|setp\..*f16|cvt\..*e[45]m|cvta\.|nanosleep|trap)`)

// TestPrograms checks that names are unique and that every form of the emulator's table for sm_80 is in a program.
func TestPrograms(t *testing.T) {
	named := make(map[string]bool)
	covered := make(map[string]bool)
	for _, p := range Programs() {
		if named[p.Name] {
			t.Errorf("two programs are called %s", p.Name)
		}
		named[p.Name] = true
		if *dump != "" {
			if err := os.WriteFile(filepath.Join(*dump, p.Name+".ptx"), []byte(p.Text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m, err := ptx.Parse(p.Text)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		for _, in := range m.Entries[0].Body {
			covered[in.Form.Name] = true
		}
	}
	for _, f := range ptx.Forms() {
		if !covered[f.Name] && !ofHopper.MatchString(f.Name) {
			t.Errorf("%s is in no program", f.Name)
		}
	}
}

// TestExpected compares the emulator with plain Go, in orders that must not matter.
func TestExpected(t *testing.T) {
	for _, p := range Programs() {
		t.Run(p.Name, func(t *testing.T) {
			for _, o := range []emulator.Options{
				{CheckGlobal: true},
				{Seed: 1, Preempt: true, Copies: emulator.Latest},
				{Seed: 2, Preempt: true, Copies: emulator.Random, NoChecks: true},
			} {
				outputs, err := Emulate(p, o)
				if err != nil {
					t.Fatal(err)
				}
				wrong := Check(p, outputs)
				for _, w := range wrong {
					t.Error(w)
				}
				if len(wrong) > 0 {
					t.Fatalf("with %+v", o)
				}
			}
		})
	}
}
