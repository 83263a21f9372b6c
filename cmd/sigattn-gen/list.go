package main

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/sigattn/sigattn/gen"
)

func (c *cli) listCommand() *cobra.Command {
	var (
		request requestFlags
		tree    string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the kernels of a request, and what was culled and why",
		Long: `Show the kernels of a request, and what was culled and why.

Registers and spills are those that the generated tree records; where it lacks a kernel they are unknown.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			r, err := request.read(c.stderr)
			if err != nil {
				return err
			}
			return c.list(r, tree, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	request.add(flags)
	flags.StringVar(&tree, "tree", defaultOut, "generated tree to read registers and spills from")
	flags.BoolVar(&asJSON, "json", false, "print a JSON array of the kernels")
	return cmd
}

func (c *cli) list(request gen.Request, tree string, asJSON bool) error {
	plans, culled := request.Plans()
	reports, err := gen.Reports(tree, plans)
	if err != nil {
		return err
	}
	records := newKernelRecords(plans, reports)
	if asJSON {
		return printJSON(c.stdout, records)
	}
	if err := printKernels(c.stdout, records); err != nil {
		return err
	}
	if len(culled) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(c.stdout); err != nil {
		return err
	}
	t := newTable(table.Row{"culled", "tile", "reason"})
	for _, each := range culled {
		tile := "–"
		if each.Tile != (gen.Tile{}) {
			tile = each.Tile.String()
		}
		t.AppendRow(table.Row{each.Spec, tile, each.Reason})
	}
	return printTable(c.stdout, t)
}
