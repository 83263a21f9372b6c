package corpus

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Golden is what a device made of a program.
type Golden struct {
	Device string // such as NVIDIA H200
	Driver string // the CUDA version that it implements
	Digest string // of the program
	Output []byte
}

const goldenTitle = "sigattn corpus 1"

// ErrGolden is wrapped by errors of a recording that cannot be read.
var ErrGolden = errors.New("no recording")

// Encode is the recording's file: lines of text, and behind an empty one the deflated output.
func (g *Golden) Encode() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\ndevice: %s\ndriver: CUDA %s\nprogram: %s\nbytes: %d\n\n", goldenTitle, g.Device, g.Driver, g.Digest, len(g.Output))
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(g.Output); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// DecodeGolden reads what Encode makes.
func DecodeGolden(file []byte) (*Golden, error) {
	head, body, _ := bytes.Cut(file, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	g := new(Golden)
	var size int
	if len(lines) != 5 || lines[0] != goldenTitle {
		return nil, fmt.Errorf("%w: its first lines are %.60q", ErrGolden, head)
	}
	fields := []struct {
		prefix string
		to     *string
	}{{"device: ", &g.Device}, {"driver: CUDA ", &g.Driver}, {"program: ", &g.Digest}}
	for i, f := range fields {
		var ok bool
		if *f.to, ok = strings.CutPrefix(lines[1+i], f.prefix); !ok {
			return nil, fmt.Errorf("%w: line %d is %q", ErrGolden, 2+i, lines[1+i])
		}
	}
	if _, err := fmt.Sscanf(lines[4], "bytes: %d", &size); err != nil {
		return nil, fmt.Errorf("%w: line 5 is %q", ErrGolden, lines[4])
	}
	var err error
	if g.Output, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), int64(size)+1)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGolden, err)
	}
	if len(g.Output) != size {
		return nil, fmt.Errorf("%w: %d bytes of output, want %d", ErrGolden, len(g.Output), size)
	}
	return g, nil
}
