//go:build !nvrtc

package compile

import "fmt"

func newCompiler() (compiler, error) {
	return compiler{}, fmt.Errorf("%w: this program was built without the tag nvrtc; `make` in a clone of "+
		"github.com/sigattn/sigattn fetches NVRTC and builds bin/sigattn-gen with it", ErrNoNVRTC)
}

// Version is NVRTC's; without the build tag nvrtc, ErrNoNVRTC.
func Version() (major, minor int, err error) {
	_, err = newCompiler()
	return 0, 0, err
}
