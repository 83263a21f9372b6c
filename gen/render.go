package gen

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sigattn/sigattn/templates"
)

// Render is p's kernel as one CUDA file that includes nothing. Equal Plans give equal bytes. An error is a
// *TemplateError.
func Render(p Plan) ([]byte, error) { return renderFrom(templates.FS, p) }

// renderFrom renders p from its root template among files. Each file that the root includes, directly or not, takes
// the place of the first #include that names it.
func renderFrom(files fs.FS, p Plan) ([]byte, error) {
	r := renderer{files: files, plan: p, included: map[string]bool{}}
	r.out.WriteString(sourceHeader(p))
	if err := r.file(rootTemplate(p.Spec)); err != nil {
		return nil, err
	}
	return r.out.Bytes(), nil
}

type renderer struct {
	files    fs.FS
	plan     Plan
	included map[string]bool
	open     []string // the files that are being read, outermost first
	written  string   // the file that the last line came from
	blank    bool     // blank lines have come since
	out      bytes.Buffer
}

var (
	includeLine = regexp.MustCompile(`^\s*#\s*include\b\s*(.*?)\s*$`)
	quotedPath  = regexp.MustCompile(`^"([^"]+)"(?:\s*//.*)?$`)
	onceLine    = regexp.MustCompile(`^\s*#\s*pragma\s+once\b`)
)

func (r *renderer) file(name string) error {
	text, err := fs.ReadFile(r.files, name)
	if err != nil {
		return &TemplateError{File: name, Reason: "it does not exist"}
	}
	r.included[name] = true
	r.open = append(r.open, name)
	for i, line := range strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		directive := strings.Contains(line, "#") // most lines hold none, and no pattern need be tried
		if directive && onceLine.MatchString(line) {
			continue
		}
		var match []string
		if directive {
			match = includeLine.FindStringSubmatch(line)
		}
		if match == nil {
			r.line(name, strings.TrimRight(line, " \t"))
			continue
		}
		target := quotedPath.FindStringSubmatch(match[1])
		if target == nil {
			return &TemplateError{name, i + 1, fmt.Sprintf("#include %s: a kernel includes only templates, by a quoted relative path", match[1])}
		}
		if err := r.include(name, i+1, target[1]); err != nil {
			return err
		}
	}
	r.open = r.open[:len(r.open)-1]
	return nil
}

// line writes a line of a file, one blank line where there are several, and where it does not follow another line of that
// file, the file's name.
func (r *renderer) line(name, text string) {
	if text == "" {
		r.blank = true
		return
	}
	switch {
	case r.written == "": // the header's blank line is there
	case name != r.written:
		fmt.Fprintf(&r.out, "\n// ---- %s\n", name)
	case r.blank:
		r.out.WriteByte('\n')
	}
	r.written, r.blank = name, false
	r.out.WriteString(text)
	r.out.WriteByte('\n')
}

// include puts what the #include of target at a line of a file names in its place.
func (r *renderer) include(from string, line int, target string) error {
	name := chosenTemplate(r.plan, path.Join(path.Dir(from), target))
	switch {
	case slices.Contains(r.open, name):
		return &TemplateError{from, line, fmt.Sprintf("#include %q: a cycle: %s", target, strings.Join(append(r.open, name), " → "))}
	case r.included[name]:
		return nil
	case name == planTemplate:
		r.text(name, "the plan", constants(r.plan))
		return nil
	case name == wgmmaTemplate:
		r.text(name, "the plan's products", wgmmaProducts(r.plan))
		return nil
	}
	if _, err := fs.Stat(r.files, name); err != nil {
		return &TemplateError{from, line, fmt.Sprintf("#include %q: there is no %s", target, name)}
	}
	return r.file(name)
}

// text puts what was made for the plan in a file's place, under its title.
func (r *renderer) text(name, title, text string) {
	r.included[name] = true
	for line := range strings.Lines(text) {
		r.line(title, strings.TrimSuffix(line, "\n"))
	}
}
