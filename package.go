package sigattn

// ABIVersion changes whenever generated packages must be made anew; each refuses to compile against another one.
const ABIVersion = 2

// KernelInfo is what a launch needs to know of one kernel of a package.
type KernelInfo struct {
	Name         string // the symbol, and the stem of the archive entries NAME.cubin and NAME.ptx
	Pass         Pass
	Arch         Arch // the image's architecture; a cubin serves its major version from this minor on, PTX everything from it on, those of SM90 it alone
	TileM, TileN int  // query rows and keys of a tile
	Threads      int  // per block
	SharedBytes  int  // dynamic shared memory per block
}

// Package is one generated package: a head dim, a storage type and a mask, with every pass and architecture.
type Package struct {
	Name    string
	HeadDim int // the largest head dim it serves
	DType   DType
	Mask    Mask
	Sigmoid Sigmoid
	Kernels []KernelInfo
	Archive string // a zip of the kernels' images and their manifest
}
