package emulator

import (
	"fmt"
	"math/bits"
	"strings"
)

// describeLanes lists lanes, such as "lanes 0-7,16".
func describeLanes(set uint32) string {
	if bits.OnesCount32(set) == 1 {
		return fmt.Sprintf("lane %d", bits.TrailingZeros32(set))
	}
	var runs []string
	for set != 0 {
		first := bits.TrailingZeros32(set)
		n := bits.TrailingZeros32(^(set >> first))
		if n == 1 {
			runs = append(runs, fmt.Sprint(first))
		} else {
			runs = append(runs, fmt.Sprintf("%d-%d", first, first+n-1))
		}
		set &^= (1<<n - 1) << first
	}
	return "lanes " + strings.Join(runs, ",")
}

// each calls f with every lane of a set.
func each(set uint32, f func(lane int)) {
	for ; set != 0; set &= set - 1 {
		f(bits.TrailingZeros32(set) % lanes)
	}
}
