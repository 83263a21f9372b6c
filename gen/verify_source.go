package gen

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// forbidden are what no source may hold: it must be self-contained and the same wherever and whenever it is made. A
// pattern is tried where one of its words is found, which is what makes a large source quick to check.
var forbidden = []struct {
	words   []string
	pattern *regexp.Regexp
	reason  string
}{
	{[]string{"include"}, regexp.MustCompile(`#\s*include\b`), "an #include is left"},
	{[]string{"__DATE__", "__TIME__", "__TIMESTAMP__", "__FILE__", "__BASE_FILE__"}, regexp.MustCompile(`\b__(DATE|TIME|TIMESTAMP|FILE|BASE_FILE)__\b`),
		"a macro that depends on when or where it is compiled"},
	{[]string{"/home/", "/root/", "/tmp/", "/usr/", "/opt/", "/var/", "/Users/", `:\`}, regexp.MustCompile(`(^|[\s"'(=:])(/(home|root|tmp|usr|opt|var|Users)/|[A-Z]:\\)`),
		"a path of some machine"},
	{[]string{"\r"}, regexp.MustCompile(`\r`), "a carriage return"},
}

// verifySource is a *TemplateError where a kernel's source breaks what every source must keep to.
func verifySource(k kernel) error {
	name := k.plan.Name() + ".cu"
	if !utf8.Valid(k.source) {
		return &TemplateError{File: name, Reason: "it is not UTF-8"}
	}
	for _, f := range forbidden {
		if !containsAny(k.source, f.words) {
			continue
		}
		if at := f.pattern.FindIndex(k.source); at != nil {
			return &TemplateError{name, lineAt(k.source, at[1]), f.reason}
		}
	}
	for _, want := range []string{"#define KERNEL_NAME " + k.plan.Name() + "\n", `extern "C" __global__`, " KERNEL_NAME("} {
		if n := bytes.Count(k.source, []byte(want)); n != 1 {
			return &TemplateError{File: name, Reason: fmt.Sprintf("%q must appear once and does %d times", strings.TrimSpace(want), n)}
		}
	}
	return nil
}

func containsAny(text []byte, words []string) bool {
	for _, w := range words {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	return false
}

// lineAt is the line, from 1, of the byte before end.
func lineAt(text []byte, end int) int { return 1 + bytes.Count(text[:max(end-1, 0)], []byte("\n")) }
