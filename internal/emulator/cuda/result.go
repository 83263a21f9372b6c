package cuda

// result is a CUresult.
type result int32

// Results (CUresult in cuda.h).
const (
	success        result = 0
	invalidValue   result = 1
	outOfMemory    result = 2
	noBinary       result = 209
	invalidPTX     result = 218
	invalidDevice  result = 101
	invalidHandle  result = 400
	notFound       result = 500
	illegalAddress result = 700
	launchFailed   result = 719
	notSupported   result = 801
	captureInvalid result = 901
)

// words are a result's name and text, each ending in a NUL as C's strings do.
type words struct{ name, text string }

var descriptions = map[result]words{
	success:        {"CUDA_SUCCESS\x00", "no error\x00"},
	invalidValue:   {"CUDA_ERROR_INVALID_VALUE\x00", "invalid argument\x00"},
	outOfMemory:    {"CUDA_ERROR_OUT_OF_MEMORY\x00", "out of memory\x00"},
	invalidDevice:  {"CUDA_ERROR_INVALID_DEVICE\x00", "invalid device ordinal\x00"},
	noBinary:       {"CUDA_ERROR_NO_BINARY_FOR_GPU\x00", "the emulator runs PTX alone\x00"},
	invalidPTX:     {"CUDA_ERROR_INVALID_PTX\x00", "a PTX file that the emulator does not take\x00"},
	invalidHandle:  {"CUDA_ERROR_INVALID_HANDLE\x00", "invalid resource handle\x00"},
	notFound:       {"CUDA_ERROR_NOT_FOUND\x00", "named symbol not found\x00"},
	illegalAddress: {"CUDA_ERROR_ILLEGAL_ADDRESS\x00", "a copy or memset beyond its buffer\x00"},
	launchFailed:   {"CUDA_ERROR_LAUNCH_FAILED\x00", "a launch that the device does not take\x00"},
	notSupported:   {"CUDA_ERROR_NOT_SUPPORTED\x00", "the emulator does not serve this function\x00"},
	captureInvalid: {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED\x00", "the stream does not capture, or captures already\x00"},
}

func getErrorName(_ *Driver, a []uintptr) result {
	return put(a[1], cText(descriptions[result(int32(a[0]))].name))
}

func getErrorString(_ *Driver, a []uintptr) result {
	return put(a[1], cText(descriptions[result(int32(a[0]))].text))
}
