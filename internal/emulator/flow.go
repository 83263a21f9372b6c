package emulator

import "github.com/sigattn/sigattn/internal/emulator/ptx"

// flow is a kernel's control-flow graph.
type flow struct {
	body   []ptx.Instruction
	blocks []basicBlock
	of     []int // the block of each instruction
}

// basicBlock is a run of instructions [first, end) that is entered at its start and left at its end.
type basicBlock struct {
	first, end int
	next       []int // blocks that may follow; none where every thread exits
	rejoin     int   // the immediate post-dominator, or exitBlock
}

// exitBlock stands for the end of the kernel.
const exitBlock = -1

// control says how an instruction moves on.
type control uint8

const (
	plain  control = iota
	jumps          // bra
	leaves         // ret, exit
	waits          // may suspend the warp
)

var controls = map[string]control{
	"bra": jumps, "bra.uni": jumps, "ret": leaves, "exit": leaves,
	"bar.sync": waits, "barrier.sync": waits, "bar.red.or.pred": waits, "bar.red.and.pred": waits, "bar.red.popc.u32": waits,
}

func controlOf(in *ptx.Instruction) control { return controls[in.Form.Name] }

// defineControl says how forms move on.
func defineControl(c control, names ...string) {
	for _, n := range names {
		controls[n] = c
	}
}

// newFlow cuts a body into blocks and finds where their branches rejoin.
func newFlow(body []ptx.Instruction) *flow {
	f := &flow{body: body, of: make([]int, len(body))}
	leader := make([]bool, len(body)+1)
	leader[0] = true
	for i := range body {
		switch controlOf(&body[i]) {
		case jumps:
			leader[body[i].Operands[0].Target] = true
			leader[i+1] = true
		case leaves, waits:
			leader[i+1] = true
		}
	}
	for i := range body {
		if leader[i] {
			f.blocks = append(f.blocks, basicBlock{first: i})
		}
		f.of[i] = len(f.blocks) - 1
		f.blocks[f.of[i]].end = i + 1
	}
	for b := range f.blocks {
		f.link(b)
	}
	f.postDominate()
	return f
}

// link finds the blocks that may follow one.
func (f *flow) link(b int) {
	x := &f.blocks[b]
	last := &f.body[x.end-1]
	kind := controlOf(last)
	if kind == jumps {
		x.next = append(x.next, f.of[last.Operands[0].Target])
	}
	always := !last.Guard.Present && (kind == jumps || kind == leaves)
	if !always && x.end < len(f.body) {
		x.next = append(x.next, b+1)
	}
}

// mayExit reports whether threads can end in a block.
func (f *flow) mayExit(b int) bool {
	x := &f.blocks[b]
	return controlOf(&f.body[x.end-1]) == leaves || x.end == len(f.body)
}

// postDominate finds immediate post-dominators by the iterative method of Cooper, Harvey and Kennedy, on the reversed
// graph from its virtual exit.
func (f *flow) postDominate() {
	const unknown = -2
	before := make([][]int, len(f.blocks))
	for b := range f.blocks {
		f.blocks[b].rejoin = unknown
		for _, n := range f.blocks[b].next {
			before[n] = append(before[n], b)
		}
	}
	order, rank := f.fromExit(before)
	meet := func(a, b int) int {
		for a != b {
			for a != exitBlock && (b == exitBlock || rank[a] > rank[b]) {
				a = f.blocks[a].rejoin
			}
			for b != exitBlock && (a == exitBlock || rank[b] > rank[a]) {
				b = f.blocks[b].rejoin
			}
		}
		return a
	}
	for changed := true; changed; {
		changed = false
		for _, b := range order {
			rejoin := unknown
			if f.mayExit(b) {
				rejoin = exitBlock
			}
			for _, n := range f.blocks[b].next {
				switch {
				case f.blocks[n].rejoin == unknown:
				case rejoin == unknown:
					rejoin = n
				default:
					rejoin = meet(rejoin, n)
				}
			}
			if rejoin != f.blocks[b].rejoin {
				f.blocks[b].rejoin = rejoin
				changed = true
			}
		}
	}
	for b := range f.blocks {
		if f.blocks[b].rejoin == unknown { // no way to the exit: an endless loop
			f.blocks[b].rejoin = exitBlock
		}
	}
}

// fromExit lists the blocks in reverse postorder of the reversed graph, and each block's place in it.
func (f *flow) fromExit(before [][]int) (order, rank []int) {
	rank = make([]int, len(f.blocks))
	seen := make([]bool, len(f.blocks))
	type visit struct{ block, edge int }
	for b := range f.blocks {
		if !f.mayExit(b) || seen[b] {
			continue
		}
		seen[b] = true
		for stack := []visit{{b, 0}}; len(stack) > 0; {
			top := &stack[len(stack)-1]
			if top.edge == len(before[top.block]) {
				order = append(order, top.block)
				stack = stack[:len(stack)-1]
				continue
			}
			n := before[top.block][top.edge]
			top.edge++
			if !seen[n] {
				seen[n] = true
				stack = append(stack, visit{n, 0})
			}
		}
	}
	for i, j := 0, len(order)-1; i < j; i, j = i+1, j-1 {
		order[i], order[j] = order[j], order[i]
	}
	for i, b := range order {
		rank[b] = i
	}
	return order, rank
}
