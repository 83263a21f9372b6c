package corpus

import "fmt"

// maxMismatches is how many of an output's are shown.
const maxMismatches = 4

// Check compares what a run made of a program with what plain Go computes, and returns what is wrong.
func Check(p *Program, outputs []byte) (wrong []string) {
	return p.each(func(o *Output, i, at int) string {
		x := o.element(outputs, at)
		switch {
		case o.Near != nil:
			if n := o.Near(i); !n.Holds(x) {
				return fmt.Sprintf("%g (%#x), want %g ± %g", float(x), x, n.Value, n.Error)
			}
		case o.Want != nil:
			if want := o.Want(i); !o.Rule.Same(x, want) {
				return fmt.Sprintf("%#x, want %#x", x, want)
			}
		}
		return ""
	})
}

// Compare compares what the emulator made of a program with what a device did, and returns where they differ. Outputs
// that need only be near a value are Check's to compare.
func Compare(p *Program, emulated, recorded []byte) (wrong []string) {
	if len(recorded) != len(emulated) {
		return []string{fmt.Sprintf("%d bytes were recorded, %d are emulated", len(recorded), len(emulated))}
	}
	return p.each(func(o *Output, _, at int) string {
		x, y := o.element(emulated, at), o.element(recorded, at)
		if o.Near != nil || o.Rule.Same(x, y) {
			return ""
		}
		return fmt.Sprintf("emulated %#x, recorded %#x", x, y)
	})
}

// Unlike counts elements that are the same by their rules and not the same bits: NaNs and approximations.
func Unlike(p *Program, emulated, recorded []byte) (n int) {
	p.each(func(o *Output, _, at int) string {
		if o.element(emulated, at) != o.element(recorded, at) {
			n++
		}
		return ""
	})
	return n
}

// each calls f for every element, with its number in its output and its place in the buffer, and collects the first of
// each output's complaints.
func (p *Program) each(f func(o *Output, i, at int) string) (wrong []string) {
	at := 0
	for k := range p.Outputs {
		o := &p.Outputs[k]
		n := 0
		for i := range o.Count {
			if what := f(o, i, at); what != "" {
				if n++; n <= maxMismatches {
					wrong = append(wrong, fmt.Sprintf("%s, element %d: %s", o.Name, i, what))
				}
			}
			at += o.Size
		}
		if n > maxMismatches {
			wrong = append(wrong, fmt.Sprintf("%s: %d of %d elements are wrong", o.Name, n, o.Count))
		}
	}
	return wrong
}
