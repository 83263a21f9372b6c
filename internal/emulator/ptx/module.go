package ptx

// Module is one PTX file.
type Module struct {
	Version     string         // of the ISA, such as 9.0
	Target      string         // such as sm_80
	AddressSize int            // 64
	Files       map[int]string // by the number that Location.File holds
	Variables   []Variable     // of module scope
	Entries     []*Entry       // kernels, in the file's order
}

// Entry is one kernel.
type Entry struct {
	Name       string
	Line       int
	Params     []Variable
	MaxThreads [3]int // .maxntid or .reqntid; zero where not given
	Exact      bool   // MaxThreads is .reqntid: the only legal block
	Cluster    [3]int // .reqnctapercluster: the only legal cluster; zero where not given
	Registers  []RegisterInfo
	Shared     []Variable // declared in the body
	Body       []Instruction
}

// Space is a state space of addresses.
type Space uint8

// Spaces.
const (
	NoSpace Space = iota
	Param
	Global
	Shared
	Const
)

func (s Space) String() string {
	return [...]string{"", "param", "global", "shared", "const"}[s]
}

// Variable is a declaration with an address.
type Variable struct {
	Name   string
	Space  Space
	Extern bool // its size is the launch's: dynamic shared memory
	Align  int
	Size   int // in bytes; 0 where Extern
	Line   int
}

// Register is an index of Entry.Registers.
type Register int32

// RegisterInfo is one virtual register that the body uses.
type RegisterInfo struct {
	Name  string
	Width Width
}

// Width is a register's width in bits; a predicate's is 1.
type Width uint8

// Widths.
const (
	W1  Width = 1
	W16 Width = 16
	W32 Width = 32
	W64 Width = 64
)

// Location is a place in the CUDA source, from .loc.
type Location struct {
	File, Line, Column int
	// InlinedFile and InlinedLine are where the function that holds the place was inlined; 0 where it was not.
	InlinedFile, InlinedLine int
}

// Instruction is one instruction with its operands.
type Instruction struct {
	Line     int
	Location *Location // nil before the first .loc
	Guard    Guard
	Form     *Form
	Operands []Operand // those that Form names, destinations first
}

// Guard is an instruction's predicate.
type Guard struct {
	Present bool
	Negated bool
	On      Register
}

// OperandKind says which fields of an Operand hold.
type OperandKind uint8

// Operand kinds.
const (
	RegisterOperand  OperandKind = iota // Register
	ImmediateOperand                    // Immediate
	SpecialOperand                      // Special
	SymbolOperand                       // Symbol: the address of a variable, plus Immediate
	AddressOperand                      // in brackets: Register or Symbol, or neither, plus Immediate
	VectorOperand                       // Vector
	TargetOperand                       // Target
	SinkOperand                         // a destination that is not wanted, written _
)

// Operand is one operand of an instruction.
type Operand struct {
	Kind      OperandKind
	Negated   bool // a predicate that is read inverted
	HasBase   bool // of an address: Register holds
	HasPair   bool // a destination "a|b": Pair holds
	Register  Register
	Pair      Register
	Immediate uint64 // two's complement, or the bits of a float
	Symbol    *Variable
	Special   Special
	Target    int       // index of Body that a branch goes to
	Vector    []Operand // of a vector; behind an address, a tensor's coordinates
}

// Special is a read-only register that the launch defines.
type Special uint8

// Special registers.
const (
	TidX Special = iota
	TidY
	TidZ
	NtidX
	NtidY
	NtidZ
	CtaidX
	CtaidY
	CtaidZ
	NctaidX
	NctaidY
	NctaidZ
	LaneID
	WarpID
	ClusterX // %clusterid
	ClusterY
	ClusterZ
	NclusterX // %nclusterid
	NclusterY
	NclusterZ
	ClusterCtaidX // of the block in its cluster
	ClusterCtaidY
	ClusterCtaidZ
	ClusterNctaidX
	ClusterNctaidY
	ClusterNctaidZ
	ClusterCtarank
	ClusterNctarank
	IsExplicitCluster
	DynamicSharedBytes
	TotalSharedBytes
	NwarpID
	SmID
	NsmID
	GridID
	Clock // this and those below change while a kernel runs
	ClockHigh
	Clock64
	GlobalTimer
	GlobalTimerLow
	SpecialCount
)

// Width is the register's width.
func (s Special) Width() Width {
	if s == Clock64 || s == GlobalTimer {
		return W64
	}
	return W32
}

var specials = map[string]Special{
	"%tid.x": TidX, "%tid.y": TidY, "%tid.z": TidZ,
	"%ntid.x": NtidX, "%ntid.y": NtidY, "%ntid.z": NtidZ,
	"%ctaid.x": CtaidX, "%ctaid.y": CtaidY, "%ctaid.z": CtaidZ,
	"%nctaid.x": NctaidX, "%nctaid.y": NctaidY, "%nctaid.z": NctaidZ,
	"%laneid": LaneID, "%warpid": WarpID, "%nwarpid": NwarpID, "%smid": SmID, "%nsmid": NsmID, "%gridid": GridID,
	"%clusterid.x": ClusterX, "%clusterid.y": ClusterY, "%clusterid.z": ClusterZ,
	"%nclusterid.x": NclusterX, "%nclusterid.y": NclusterY, "%nclusterid.z": NclusterZ,
	"%cluster_ctaid.x": ClusterCtaidX, "%cluster_ctaid.y": ClusterCtaidY, "%cluster_ctaid.z": ClusterCtaidZ,
	"%cluster_nctaid.x": ClusterNctaidX, "%cluster_nctaid.y": ClusterNctaidY, "%cluster_nctaid.z": ClusterNctaidZ,
	"%cluster_ctarank": ClusterCtarank, "%cluster_nctarank": ClusterNctarank, "%is_explicit_cluster": IsExplicitCluster,
	"%dynamic_smem_size": DynamicSharedBytes, "%total_smem_size": TotalSharedBytes,
	"%clock": Clock, "%clock_hi": ClockHigh, "%clock64": Clock64, "%globaltimer": GlobalTimer, "%globaltimer_lo": GlobalTimerLow,
}
