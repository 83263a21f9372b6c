package compile

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"github.com/sigattn/sigattn/gen"
)

// The lines of ptxas's -v report, as CUDA 12 and 13 print them.
var (
	entryLine = regexp.MustCompile(`Compiling entry function '([^']+)'`)
	spillLine = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads`)
	usedLine  = regexp.MustCompile(`Used (\d+) registers`)
	smemField = regexp.MustCompile(`(\d+) bytes smem`)
	noteLine  = regexp.MustCompile(`\(C75\d\d\).*`) // wgmma serialised, setmaxnreg ignored
)

// parseReport reads what ptxas says of the kernel name. Spills and stack count for the functions it calls, too.
func parseReport(name, log string) (r gen.Report, notes []string, err error) {
	entry, found := "", false
	for line := range strings.Lines(log) {
		if m := entryLine.FindStringSubmatch(line); m != nil {
			entry = m[1]
		}
		if m := spillLine.FindStringSubmatch(line); m != nil {
			r.StackBytes += number(m[1])
			r.SpillStoreBytes += number(m[2])
			r.SpillLoadBytes += number(m[3])
		}
		if m := usedLine.FindStringSubmatch(line); m != nil && entry == name {
			found = true
			r.Registers = number(m[1])
			if m := smemField.FindStringSubmatch(line); m != nil {
				r.StaticSharedBytes = number(m[1])
			}
		}
		if note := noteLine.FindString(line); note != "" {
			notes = append(notes, strings.TrimSpace(note))
		}
	}
	if !found {
		return gen.Report{}, nil, &SourceError{Kernel: name, Message: "defines no kernel of that name"}
	}
	return r, notes, nil
}

// Diagnostics of NVRTC's front end, which name a line of the source, and of the parts behind it, which do not.
var (
	sourceDiagnostic = regexp.MustCompile(`^[^()]*\((\d+)\): (?:catastrophic |internal )?error(?: #[0-9A-Z-]+)?: (.*)`)
	otherDiagnostic  = regexp.MustCompile(`^(?:(ptxas.*?)(?:error|fatal)\s*: |nvrtc: error: |error: )(.*)`)
)

// parseFailure reads the log of a compile of s that failed; status is NVRTC's own word for it.
func parseFailure(s Source, log, status string) *SourceError {
	e := &SourceError{Kernel: s.Name, Message: status}
	count := 0
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		m := sourceDiagnostic.FindStringSubmatch(line)
		other := otherDiagnostic.FindStringSubmatch(line)
		switch {
		case m != nil && count == 0:
			e.Line, e.Message = number(m[1]), m[2]
			e.Text = lineOf(s.Text, e.Line)
		case m == nil && other == nil:
			continue
		case m == nil && count == 0:
			e.Message = other[1] + other[2]
		}
		count++
	}
	e.More = max(0, count-1)
	return e
}

// lineOf is line n, from 1, of a text, without the space around it.
func lineOf(text []byte, n int) string {
	lines := bytes.SplitN(text, []byte("\n"), n+1)
	if n < 1 || n > len(lines) {
		return ""
	}
	return string(bytes.TrimSpace(lines[n-1]))
}

// number is the value of digits that a pattern has matched.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
