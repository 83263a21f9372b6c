package verify

import "slices"

// Report is what a run found. It is a measurement: it names the machine. Its order is that of the packages and cases.
type Report struct {
	Machine Machine   `json:"machine"`
	Level   Level     `json:"level"`
	Passed  bool      `json:"passed"` // everything ran or was skipped, and nothing failed
	Kernels []Summary `json:"kernels"`
	Results []Result  `json:"results"`
}

// Result is one mode of one case.
type Result struct {
	Package  string   `json:"package"`
	Mode     Mode     `json:"mode"`
	Case     Case     `json:"case"`
	Images   []Image  `json:"images,omitempty"` // that ran
	Outputs  []Output `json:"outputs,omitempty"`
	Failures []string `json:"failures,omitempty"` // beside those of outputs: guard bands, unwritten rows, unequal bits, errors
	Skipped  string   `json:"skipped,omitempty"`  // why it did not run
}

// Pass reports whether nothing failed.
func (r Result) Pass() bool { return len(r.Reasons()) == 0 }

// Reasons lists every failure, those of outputs under their names.
func (r Result) Reasons() []string {
	reasons := slices.Clone(r.Failures)
	for _, o := range r.Outputs {
		for _, f := range o.Failures {
			reasons = append(reasons, o.Name+": "+f)
		}
	}
	return reasons
}

// Summary is one mode of a package over all cases. Where tensors decide which image runs, the mode has a second Summary, of
// the images that take any tensor alone.
type Summary struct {
	Package string  `json:"package"`
	Mode    Mode    `json:"mode"`
	Images  []Image `json:"images"` // that ran
	Cases   int     `json:"cases"`
	Failed  int     `json:"failed"`
	Skipped int     `json:"skipped"`
	Worst   []Worst `json:"worst"` // per output
}

// Worst is the result of one output that came nearest to its limit.
type Worst struct {
	Output
	Case string `json:"case"`
}

// margin is an output's error as a share of its limit.
func (o Output) margin() float64 {
	if o.RelL2 == 0 {
		return 0
	}
	return o.RelL2 / o.Limit
}

// add counts a result.
func (s *Summary) add(r Result) {
	s.Cases++
	if !r.Pass() {
		s.Failed++
	}
	if r.Skipped != "" {
		s.Skipped++
	}
	for _, image := range r.Images {
		if !slices.Contains(s.Images, image) {
			s.Images = append(s.Images, image)
		}
	}
	for _, o := range r.Outputs {
		i := slices.IndexFunc(s.Worst, func(w Worst) bool { return w.Name == o.Name })
		switch {
		case i < 0:
			s.Worst = append(s.Worst, Worst{o, r.Case.Name})
		case o.margin() > s.Worst[i].margin():
			s.Worst[i] = Worst{o, r.Case.Name}
		}
	}
}
