package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/sigattn/sigattn/compile"
	"github.com/sigattn/sigattn/internal/driver"
)

// finding is one thing that doctor looked for.
type finding struct {
	Part   string `json:"part"`
	Found  bool   `json:"found"`
	Needed bool   `json:"needed"` // to generate; the rest is needed to verify and bench
	What   string `json:"what"`
	Advice string `json:"advice,omitempty"`
}

func (c *cli) doctorCommand() *cobra.Command {
	var asJSON bool
	var cacheDir string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is found on this machine, and what to do about the rest",
		Long: `Say what is found on this machine, and what to do about the rest.

Exit status 1 says that something is missing that generating needs; a GPU is needed only to verify and to bench.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context(), cacheDir, asJSON) },
	}
	cmd.Flags().StringVar(&cacheDir, "cache", "", "directory of the compile cache (default the user's)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func (c *cli) doctor(ctx context.Context, cacheDir string, asJSON bool) error {
	findings := []finding{findGo(ctx), findNVRTC(), findCache(cacheDir), findDriver()}
	findings = append(findings, findDevices()...)
	if err := printFindings(c, findings, asJSON); err != nil {
		return err
	}
	var missing []string
	for _, f := range findings {
		if f.Needed && !f.Found {
			missing = append(missing, f.Part)
		}
	}
	if len(missing) > 0 {
		return short("missing: %s", strings.Join(missing, ", "))
	}
	return nil
}

func printFindings(c *cli, findings []finding, asJSON bool) error {
	if asJSON {
		return printJSON(c.stdout, findings)
	}
	t := newTable(table.Row{"part", "found", "what"})
	for _, f := range findings {
		state := "no"
		if f.Found {
			state = "yes"
		}
		t.AppendRow(table.Row{f.Part, state, f.What})
	}
	if err := printTable(c.stdout, t); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Advice != "" {
			if _, err := fmt.Fprintf(c.stdout, "%s: %s\n", f.Part, f.Advice); err != nil {
				return err
			}
		}
	}
	return nil
}

func findGo(ctx context.Context) finding {
	f := finding{Part: "Go", Needed: true}
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		f.What, f.Advice = "no go command", "install Go from https://go.dev/dl and put its bin directory into PATH"
		return f
	}
	f.Found, f.What = true, strings.TrimSpace(string(out))
	return f
}

func findNVRTC() finding {
	f := finding{Part: "NVRTC", Needed: true}
	major, minor, err := compile.Version()
	if err != nil {
		f.What = "none"
		f.Advice = err.Error()
		return f
	}
	f.Found, f.What = true, fmt.Sprintf("%d.%d", major, minor)
	return f
}

// findCache tries whether kernels can be kept in dir, or where it is empty in the user's cache directory.
func findCache(dir string) finding {
	f := finding{Part: "cache", Needed: true, Advice: "name a directory that can be written with --cache, or set XDG_CACHE_HOME"}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			f.What = err.Error()
			return f
		}
		dir = filepath.Join(user, "sigattn")
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return finding{Part: f.Part, Found: true, Needed: true, What: dir + ": not made yet"}
	}
	if err != nil {
		f.What = err.Error()
		return f
	}
	probe, err := os.CreateTemp(dir, "tmp-")
	if err != nil {
		f.What = err.Error()
		return f
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return finding{Part: f.Part, Found: true, Needed: true, What: fmt.Sprintf("%s: %d entries", dir, len(entries))}
}

func findDriver() finding {
	f := finding{Part: "driver"}
	major, minor, err := driver.Version()
	if err != nil {
		f.What = err.Error()
		f.Advice = "verify and bench need the NVIDIA driver (libcuda.so.1); generating does not"
		return f
	}
	f.Found, f.What = true, fmt.Sprintf("CUDA %d.%d", major, minor)
	return f
}

// findDevices has a finding for each GPU, or one that says there is none.
func findDevices() []finding {
	none := finding{Part: "device", Advice: "verify and bench need a GPU of compute capability 8.0 or later; generating does not"}
	n, err := driver.DeviceCount()
	if err != nil {
		none.What = "none"
		return []finding{none}
	}
	var findings []finding
	for i := range n {
		f, err := describeDevice(i)
		if err != nil {
			f = finding{Part: f.Part, What: err.Error(), Advice: "nvidia-smi may say more"}
		}
		findings = append(findings, f)
	}
	if n == 0 {
		none.What = "none"
		if hidden, set := os.LookupEnv("CUDA_VISIBLE_DEVICES"); set {
			none.Advice = fmt.Sprintf("CUDA_VISIBLE_DEVICES is %q, which may hide them; %s", hidden, none.Advice)
		}
		return []finding{none}
	}
	return findings
}

// leastCapability is 8.0: mma.sync, ldmatrix and cp.async as the kernels use them.
const leastCapability = 80

func describeDevice(ordinal int) (finding, error) {
	f := finding{Part: fmt.Sprintf("device %d", ordinal)}
	d, err := driver.DeviceAt(ordinal)
	if err != nil {
		return f, err
	}
	name, nameErr := d.Name()
	capability, capabilityErr := d.Capability()
	memory, memoryErr := d.TotalMemory()
	if err := errors.Join(nameErr, capabilityErr, memoryErr); err != nil {
		return f, err
	}
	f.Found = capability >= leastCapability
	f.What = fmt.Sprintf("%s, compute capability %d.%d, %d GB", name, capability/10, capability%10, memory>>30)
	if !f.Found {
		f.Advice = "the kernels need compute capability 8.0 or later"
		return f, nil
	}
	f.What += "; runs " + imagesOf(capability)
	return f, nil
}

// imagesOf says which of the default matrix's images a device runs: sigattn.Load's choice in words.
func imagesOf(capability int) string {
	switch {
	case capability == 80:
		return "sm_80 images"
	case capability < 90:
		return "sm_86 images where there are, else sm_80"
	case capability == 90:
		return "sm_90 images where there are and tensors allow, else PTX of sm_80"
	}
	return "PTX of sm_80"
}
