package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/sigattn/sigattn"
)

// ErrBaseline is the sentinel of a baseline process that could not be started, died, or broke the protocol.
var ErrBaseline = errors.New("baseline process")

// ErrUnavailable is the sentinel of an implementation that does not serve a shape; a bench goes on without it.
var ErrUnavailable = errors.New("not available")

// request is one line to a baseline process: time iters runs of this shape.
type request struct {
	Backend string  `json:"backend"` // the process's own name for an implementation, such as "flash" or "cudnn"
	Pass    string  `json:"pass"`    // "fwd", "bwd" or "step"
	DType   string  `json:"dtype"`   // "bf16" or "fp16"
	Batch   int     `json:"batch"`
	Heads   int     `json:"heads"`
	HeadsKV int     `json:"heads_kv"`
	SeqLen  int     `json:"seq_len"`
	Queries int     `json:"queries"`
	HeadDim int     `json:"head_dim"`
	Scale   float64 `json:"scale"`
	Causal  bool    `json:"causal"`
	Iters   int     `json:"iters"`
}

// reply is one line back: a time in milliseconds for each run, or why there is none.
type reply struct {
	MS    []float64 `json:"ms"`
	Error string    `json:"error"`
}

// Baseline is a process that times other implementations on request, one JSON line each way, so that its measurements
// can take turns with ours. It is not safe for concurrent use.
type Baseline struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	stdin  io.WriteCloser
	lines  chan []byte // replies; closed at the end of the process's output
	stderr *tail
	ended  bool // by an error; nothing more is asked
}

// replyTimeout bounds one reply; the first one waits for the process's libraries to load.
const replyTimeout = 3 * time.Minute

// StartBaseline starts command, its words split at spaces. The process ends with Close, or when ctx does.
func StartBaseline(ctx context.Context, command string) (*Baseline, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, fmt.Errorf("%w: no command", ErrBaseline)
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &Baseline{cancel: cancel, lines: make(chan []byte), stderr: &tail{limit: 4096}}
	b.cmd = exec.CommandContext(ctx, words[0], words[1:]...)
	b.cmd.Stderr = b.stderr
	b.cmd.WaitDelay = time.Second
	stdin, err := b.cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: %w", ErrBaseline, err)
	}
	b.stdin = stdin
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: %w", ErrBaseline, err)
	}
	if err := b.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("%w: %w", ErrBaseline, err)
	}
	go b.read(ctx, stdout)
	return b, nil
}

// read hands the process's output on, line by line.
func (b *Baseline) read(ctx context.Context, stdout io.Reader) {
	defer close(b.lines)
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		select {
		case b.lines <- append([]byte(nil), scanner.Bytes()...):
		case <-ctx.Done():
			return
		}
	}
}

// time asks for iters runs of a shape by one of the process's backends and returns their times in milliseconds.
// An error that wraps ErrUnavailable concerns this shape only.
func (b *Baseline) time(ctx context.Context, backend string, s Shape, iters int) ([]float64, error) {
	if b.ended {
		return nil, fmt.Errorf("%w: it was given up before", ErrBaseline)
	}
	pass := s.Pass
	if pass == BackwardDeterministic {
		pass = Backward
	}
	line, err := json.Marshal(request{
		Backend: backend, Pass: string(pass), DType: s.DType.String(), Batch: s.Batch, Heads: s.HeadsQ, HeadsKV: s.HeadsKV,
		SeqLen: s.SeqLen, Queries: s.SeqLenQ(), HeadDim: s.HeadDim, Scale: s.Scale(), Causal: s.Mask == sigattn.Causal, Iters: iters,
	})
	if err != nil {
		return nil, err
	}
	if _, err := b.stdin.Write(append(line, '\n')); err != nil {
		return nil, b.failed(ctx, "it ended early")
	}
	select {
	case line, open := <-b.lines:
		if !open {
			return nil, b.failed(ctx, "it ended early")
		}
		ms, broken := parseReply(line, iters)
		if errors.Is(broken, ErrBaseline) {
			return nil, b.failed(ctx, broken.Error())
		}
		return ms, broken
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(replyTimeout):
		return nil, b.failed(ctx, fmt.Sprintf("no reply within %v", replyTimeout))
	}
}

// protocolError is a reply that is none; it wraps ErrBaseline.
type protocolError struct{ what string }

func (e *protocolError) Error() string { return e.what }

func (e *protocolError) Unwrap() error { return ErrBaseline }

func parseReply(line []byte, iters int) ([]float64, error) {
	var r reply
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, &protocolError{fmt.Sprintf("a line that is no reply: %.200q", line)}
	}
	if r.Error != "" {
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, r.Error)
	}
	if len(r.MS) != iters {
		return nil, &protocolError{fmt.Sprintf("%d times where %d were asked for", len(r.MS), iters)}
	}
	for _, ms := range r.MS {
		if ms <= 0 {
			return nil, &protocolError{fmt.Sprintf("a time of %g ms", ms)}
		}
	}
	return r.MS, nil
}

// failed ends the process and says why, with the end of what it wrote to stderr.
func (b *Baseline) failed(ctx context.Context, why string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.ended = true
	b.Close()
	if said := strings.TrimSpace(b.stderr.String()); said != "" {
		return fmt.Errorf("%w: %s; its stderr ends:\n%s", ErrBaseline, why, said)
	}
	return fmt.Errorf("%w: %s", ErrBaseline, why)
}

// closeGrace is how long a process may take to end by itself once its input is closed.
const closeGrace = 5 * time.Second

// Close ends the process.
func (b *Baseline) Close() {
	_ = b.stdin.Close()
	kill := time.AfterFunc(closeGrace, b.cancel)
	defer kill.Stop()
	for range b.lines { // Wait may only follow the last read
	}
	_ = b.cmd.Wait()
	b.cancel()
}

// Backend is one of the process's implementations.
func (b *Baseline) Backend(name string) Implementation { return &backend{b, name} }

type backend struct {
	process *Baseline
	name    string
}

func (b *backend) Name() string { return b.name }

func (b *backend) Time(ctx context.Context, s Shape, iters int) ([]float64, error) {
	return b.process.time(ctx, b.name, s, iters)
}
