package emulator

// Kinds of reports about mbarriers, bulk copies and wgmma.
const (
	BadMbarrier      Kind = "bad mbarrier"            // none is initialised there, or too many arrive
	WrongTransaction Kind = "wrong transaction count" // the bytes expected on an mbarrier are not those that were copied
	MissingFence     Kind = "missing fence"           // between the generic and the asynchronous proxy, or before wgmma
	RegisterInFlight Kind = "register in flight"      // of a wgmma that was not waited for
	BadDescriptor    Kind = "bad matrix descriptor"
	BadTensorMap     Kind = "bad tensor map"
	LeakedProduct    Kind = "wgmma pending at exit"
	BadRegisters     Kind = "bad register count" // of setmaxnreg
	Trapped          Kind = "trap"
)
