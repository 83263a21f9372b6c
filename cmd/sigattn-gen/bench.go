package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/bench"
	"github.com/sigattn/sigattn/gen"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	request  bench.Request
	tree     string
	against  []string
	sigmoid  string
	schedule bench.Schedule
	baseline string
	backends []string
	format   string
}

// Bounds of shapes and schedules, generous ones.
const (
	maxSeqLen = 1 << 24
	maxWidth  = 1 << 16
	maxRuns   = 1 << 16
)

func (c *cli) benchCommand() *cobra.Command {
	o := benchOptions{
		request: bench.DefaultRequest(), schedule: bench.DefaultSchedule(),
		tree: defaultOut, sigmoid: sigattn.Accurate.String(), backends: []string{"flash"}, format: "table",
	}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Time the generated kernels on a GPU, in turn with other implementations",
		Long: `Time the generated kernels on a GPU, in turn with other implementations.

Each shape holds tokens/seq-len sequences of width/head-dim heads. Inputs are independent N(0,1) values, made on the
host from a fixed seed and rounded to the dtype; the bias is the default, -ln(seq-len). A round gives every
implementation one turn of back-to-back runs between CUDA events; figures are medians over rounds, ratios medians of
the rounds' own ratios. TFLOP/s count 4·B·H·T²·d for fwd, half if causal, and 2.5 times that for bwd; with --queries the
pairs of a query and a key that it sees instead of T². "image" is the code that ran. "share" is the part of the rate
that limits: the tensor cores' nominal one at the highest clock, by the instruction that the image uses, or the device's
measured copy rate.

Where memory happens to lie changes a process's rates by several percent, up to 20 at short sequences. What is timed in
turn in the same memory differs by less than one: compare kernels by --against.`,
		Example: `  sigattn-gen bench
  sigattn-gen bench --baseline "python3 scripts/torch_baseline.py" --backends flash,cudnn
  sigattn-gen bench --head-dims 128 --passes fwd --format gobench | benchstat -col /impl -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.bench(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(newWords(&o.request.Passes, bench.Passes()), "passes", "passes to time: "+join(bench.Passes()))
	flags.Var(newList(&o.request.HeadDims, gen.ParseHeadDim, strconv.Itoa), "head-dims", "head dims")
	flags.Var(newNumbers(&o.request.SeqLens, maxSeqLen), "seq-lens", "sequence lengths, of keys")
	flags.Var(count{&o.request.Queries, 0, maxSeqLen}, "queries", "query rows of each sequence, its last ones; 0 means as many as keys")
	flags.Var(positive{&o.request.LogitStd}, "logit-std", "standard deviation of the logits, which scales them; 0 means 1")
	flags.Var(newList(&o.request.DTypes, sigattn.ParseDType, sigattn.DType.String), "dtypes", "storage types")
	flags.Var(newList(&o.request.Masks, sigattn.ParseMask, sigattn.Mask.String), "masks", "masks")
	flags.StringVar(&o.tree, "tree", o.tree, "generated tree to time")
	flags.StringSliceVar(&o.against, "against", nil, "other generated trees to time, in the same memory")
	flags.Var(word{&o.sigmoid, []string{"accurate", "tanh"}}, "sigmoid", "evaluation of the sigmoid")
	flags.Var(count{&o.request.Tokens, 1, maxSeqLen}, "tokens", "batch × sequence length")
	flags.Var(count{&o.request.Width, 1, maxWidth}, "width", "query heads × head dim")
	flags.Var(count{&o.request.Group, 1, maxWidth}, "group", "query heads per KV head")
	flags.Var(count{&o.schedule.Rounds, 1, maxRuns}, "rounds", "rounds of turns")
	flags.Var(count{&o.schedule.Iters, 1, maxRuns}, "iters", "timed runs in a turn")
	flags.StringVar(&o.baseline, "baseline", "", "command that times other implementations; see scripts/torch_baseline.py")
	flags.StringSliceVar(&o.backends, "backends", o.backends, "the baseline command's implementations to time")
	flags.Var(word{&o.format, []string{"table", "json", "gobench"}}, "format", "form of the report")
	flags.Bool("json", false, "the same as --format json")
	cmd.PreRun = func(*cobra.Command, []string) {
		if asked, _ := flags.GetBool("json"); asked {
			o.format = "json"
		}
	}
	return cmd
}

func (c *cli) bench(ctx context.Context, o benchOptions) error {
	others := make([][]*sigattn.Package, len(o.against))
	for i, tree := range o.against {
		var err error
		if others[i], err = readTree("against", tree); err != nil {
			return err
		}
	}
	packages, err := readTree("tree", o.tree)
	if err != nil {
		return err
	}
	sigmoid, err := sigattn.ParseSigmoid(o.sigmoid)
	if err != nil {
		return err
	}
	return bench.OnGPU(chooseFrom(packages, sigmoid), func(gpu *bench.GPU) error {
		implementations := []bench.Implementation{gpu}
		for i, tree := range o.against {
			implementations = append(implementations, gpu.Other(tree, chooseFrom(others[i], sigmoid)))
		}
		if o.baseline != "" {
			baseline, err := bench.StartBaseline(ctx, o.baseline)
			if err != nil {
				return &flagError{"baseline", err}
			}
			defer baseline.Close()
			for _, name := range o.backends {
				implementations = append(implementations, baseline.Backend(name))
			}
		}
		shapes := o.request.Shapes()
		fmt.Fprintf(c.stderr, "%d shapes × %d implementations × %d rounds × %d runs on %s\n",
			len(shapes), len(implementations), o.schedule.Rounds, o.schedule.Iters, gpu.Device().Name)
		p := newProgress(c.stderr, "timed", len(shapes))
		results, err := bench.Run(ctx, shapes, implementations, gpu.Device(), o.schedule, func(r bench.Result) {
			p.step("%v: %.1f TFLOP/s", r.Shape, r.TFLOPS(r.Series[0]))
		})
		p.end()
		if err == nil && !slices.ContainsFunc(results, func(r bench.Result) bool { return r.Series[0].MS != nil }) {
			err = short("none of the shapes could be timed")
		}
		return errors.Join(err, printBench(c.stdout, o, gpu.Device(), results)) // what was measured is worth having
	})
}

func printBench(w io.Writer, o benchOptions, device bench.Device, results []bench.Result) error {
	switch o.format {
	case "json":
		return printJSON(w, bench.NewReport(device, o.schedule, results))
	case "gobench":
		return bench.WriteGoBench(w, device, o.schedule, results)
	default:
		return printBenchTable(w, device, results)
	}
}

// printBenchTable shows our time and rate beside each baseline's rate and the ratio of times.
func printBenchTable(w io.Writer, device bench.Device, results []bench.Result) error {
	if len(results) == 0 {
		return nil
	}
	heading := table.Row{"pass", "dtype", "d", "mask", "T", "B", "H", "image", "ms", "TFLOP/s", "share", "of"}
	for _, series := range results[0].Series[1:] {
		heading = append(heading, series.Implementation+" TFLOP/s", "ratio")
	}
	numeric := []int{3, 5, 6, 7, 9, 10, 11}
	for i := 13; i <= len(heading); i++ {
		numeric = append(numeric, i)
	}
	t := newTable(heading, numeric...)
	var notes []string
	for _, r := range results {
		s, ours := r.Shape, r.Series[0]
		row := table.Row{
			s.Pass, s.DType, s.HeadDim, s.Mask, lengthText(s), s.Batch, headsText(s),
			cmp.Or(ours.Image.String(), "–"), figure("%.3f", ours.Median()), figure("%.1f", r.TFLOPS(ours)), figure("%.0f %%", 100*r.Share()), r.Limit.Rate,
		}
		for _, series := range r.Series[1:] {
			row = append(row, figure("%.1f", r.TFLOPS(series)), figure("%.2f", r.Ratio(series)))
		}
		t.AppendRow(row)
		for _, series := range r.Series {
			if series.Unavailable != "" {
				notes = append(notes, fmt.Sprintf("%v: %s: %s", s, series.Implementation, series.Unavailable))
			}
		}
	}
	if err := printTable(w, t); err != nil {
		return err
	}
	for _, note := range notes {
		if _, err := fmt.Fprintln(w, note); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", device.Name, device.Rates())
	return err
}

// lengthText is "2048", or "128/2048" with fewer queries than keys.
func lengthText(s bench.Shape) string {
	if s.Queries == 0 {
		return fmt.Sprint(s.SeqLen)
	}
	return fmt.Sprintf("%d/%d", s.Queries, s.SeqLen)
}

// headsText is "16", or "16/4" with fewer KV heads.
func headsText(s bench.Shape) string {
	if s.HeadsKV == s.HeadsQ {
		return fmt.Sprint(s.HeadsQ)
	}
	return fmt.Sprintf("%d/%d", s.HeadsQ, s.HeadsKV)
}

// figure formats a positive number; 0 stands for one that is not known.
func figure(format string, x float64) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf(format, x)
}
