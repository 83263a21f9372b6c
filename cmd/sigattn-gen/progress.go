package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a job is: a bar on a terminal, a line per step elsewhere.
type progress struct {
	w     io.Writer
	what  string
	total int
	done  int
	bar   *progressbar.ProgressBar // nil where w is no terminal
}

func newProgress(w io.Writer, what string, total int) *progress {
	p := &progress{w: w, what: what, total: total}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(),
			progressbar.OptionFullWidth(),
			progressbar.OptionClearOnFinish(),
		)
		_ = p.bar.RenderBlank()
	}
	return p
}

// step counts one more as done and says what it was.
func (p *progress) step(format string, args ...any) {
	p.advance()
	if p.bar == nil {
		fmt.Fprintf(p.w, "%s %d/%d %s\n", p.what, p.done, p.total, fmt.Sprintf(format, args...))
	}
}

// advance counts one more as done.
func (p *progress) advance() {
	p.done++
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// end takes the bar off the terminal, however far it came.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
