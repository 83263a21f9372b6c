package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/sigattn/sigattn/verify"
)

// verifyProgress shows how far a verification is: a bar on a terminal, elsewhere a line per package.
type verifyProgress struct {
	c        *cli
	progress *progress
	last     *verify.Result
}

func (p *verifyProgress) event(e verify.Event) {
	switch {
	case e.Result == nil:
		return
	case p.progress == nil:
		p.progress = newProgress(p.c.stderr, "verified", e.Total)
	}
	if p.progress.bar == nil && (p.last == nil || p.last.Package != e.Result.Package) {
		fmt.Fprintf(p.c.stderr, "verifying %s (%d of %d results)\n", e.Result.Package, e.Done, e.Total)
	}
	p.progress.advance()
	p.last = e.Result
}

func (p *verifyProgress) end() {
	if p.progress != nil {
		p.progress.end()
	}
}

// outputNames are the columns of the table, in order.
var outputNames = []string{"O", "dQ", "dK", "dV", "dbias"}

// printVerified writes a row for each mode of a package, with the worst error of each output as a share of its limit;
// then a line for each failure.
func printVerified(w io.Writer, report verify.Report) error {
	heading := table.Row{"package", "mode", "images", "cases", "failed", "skipped"}
	numeric := []int{4, 5, 6}
	for i, name := range outputNames {
		heading = append(heading, name)
		numeric = append(numeric, 7+i)
	}
	t := newTable(heading, numeric...)
	failed, skipped := 0, 0
	for _, k := range report.Kernels {
		row := table.Row{k.Package, k.Mode, imagesText(k.Images), k.Cases, k.Failed, k.Skipped}
		for _, name := range outputNames {
			row = append(row, worstShare(k, name))
		}
		t.AppendRow(row)
		failed, skipped = failed+k.Failed, skipped+k.Skipped
	}
	if err := printTable(w, t); err != nil {
		return err
	}
	for _, r := range report.Results {
		for _, reason := range r.Reasons() {
			if _, err := fmt.Fprintf(w, "%s %s by %s %q: %s\n", r.Package, r.Mode, imagesText(r.Images), r.Case.Name, reason); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%s, level %s: %d results, %d failed, %d skipped\n",
		report.Machine.Name, report.Level, len(report.Results), failed, skipped)
	return err
}

// imagesText is such as "sm_90, sm_80 PTX".
func imagesText(images []verify.Image) string {
	var words []string
	for _, i := range images {
		if word := i.String(); !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	if words == nil {
		return "–"
	}
	return strings.Join(words, ", ")
}

// worstShare is an output's worst error as a share of its limit, such as "0.82"; where the limit is 0, so is the error.
func worstShare(k verify.Summary, name string) string {
	i := slices.IndexFunc(k.Worst, func(w verify.Worst) bool { return w.Name == name })
	switch {
	case i < 0:
		return "–"
	case k.Worst[i].RelL2 == 0:
		return "0.00"
	}
	return fmt.Sprintf("%.2f", k.Worst[i].RelL2/k.Worst[i].Limit)
}
