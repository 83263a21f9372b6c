package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/gen"
)

// kernelRecord is one kernel as JSON. What only a compile can tell is null where there was none.
type kernelRecord struct {
	Name        string          `json:"name"`
	Pass        sigattn.Pass    `json:"pass"`
	Arch        sigattn.Arch    `json:"arch"`
	DType       sigattn.DType   `json:"dtype"`
	HeadDim     int             `json:"head_dim"`
	Mask        sigattn.Mask    `json:"mask"`
	Sigmoid     sigattn.Sigmoid `json:"sigmoid"`
	TileM       int             `json:"tile_m"`
	TileN       int             `json:"tile_n"`
	Stages      int             `json:"stages"`
	Threads     int             `json:"threads"`
	BlocksPerSM int             `json:"blocks_per_sm"`
	Registers   *int            `json:"registers"`
	SpillBytes  *int            `json:"spill_bytes"`  // stores and loads together, per thread
	SharedBytes int             `json:"shared_bytes"` // dynamic, per block
}

// newKernelRecords describes plans; reports are by kernel name.
func newKernelRecords(plans []gen.Plan, reports map[string]gen.Report) []kernelRecord {
	records := []kernelRecord{}
	for _, p := range plans {
		record := kernelRecord{
			Name: p.Name(), Pass: p.Pass, Arch: p.Arch, DType: p.DType, HeadDim: p.HeadDim, Mask: p.Mask, Sigmoid: p.Sigmoid,
			TileM: p.M, TileN: p.N, Stages: p.Stages, Threads: p.Threads, BlocksPerSM: p.Blocks, SharedBytes: p.SharedBytes,
		}
		if report, known := reports[record.Name]; known {
			spills := report.SpillStoreBytes + report.SpillLoadBytes
			record.Registers, record.SpillBytes = &report.Registers, &spills
		}
		records = append(records, record)
	}
	return records
}

// printKernels writes a row for each kernel.
func printKernels(w io.Writer, records []kernelRecord) error {
	t := newTable(table.Row{"kernel", "tile", "stages", "threads", "registers", "spills", "shared"}, 3, 4, 5, 6, 7)
	for _, r := range records {
		t.AppendRow(table.Row{
			r.Name, fmt.Sprintf("%dx%d", r.TileM, r.TileN), r.Stages, r.Threads, orDash(r.Registers), orDash(r.SpillBytes), r.SharedBytes,
		})
	}
	return printTable(w, t)
}

func orDash(n *int) string {
	if n == nil {
		return "–"
	}
	return fmt.Sprint(*n)
}

func reportsOf(images []gen.Image) map[string]gen.Report {
	reports := map[string]gen.Report{}
	for _, image := range images {
		if image.Kernel != "" {
			reports[image.Kernel] = image.Report
		}
	}
	return reports
}
