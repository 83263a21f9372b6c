package emulator

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var mangleable = regexp.MustCompile(`%[a-z]+\d+|\b\d+\b|\.[a-z]+\d*\b`)

// mangle changes a few lines of a program: it drops, doubles or swaps them, or puts one operand in the place of another.
func mangle(text string, r *rand.Rand) string {
	lines := strings.Split(text, "\n")
	for range 1 + r.IntN(3) {
		i := r.IntN(len(lines))
		switch r.IntN(5) {
		case 0:
			lines[i] = ""
		case 1:
			lines[i] += "\n" + lines[i]
		case 2:
			j := r.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
		default:
			donors := mangleable.FindAllString(lines[r.IntN(len(lines))], -1)
			places := mangleable.FindAllStringIndex(lines[i], -1)
			if len(donors) > 0 && len(places) > 0 {
				at := places[r.IntN(len(places))]
				lines[i] = lines[i][:at[0]] + donors[r.IntN(len(donors))] + lines[i][at[1]:]
			}
		}
	}
	return strings.Join(lines, "\n")
}

// TestMangledPrograms runs programs of sm_90 that mean nothing any more: they may be refused or found at fault, and that is
// all.
func TestMangledPrograms(t *testing.T) {
	texts := []string{
		hopperProgram(ringProgram), clusterProgram(2, exchangeProgram), clusterProgram(2, multicastProgram),
		tensorProgram(3, storeBox(3, "cp.reduce.async.bulk", ".add.tile")),
		productTest{n: 8, registers: true, steps: 2}.withDefaults().text(1024, 512), productTest{n: 16, d: "f16", a: "f16", steps: 2}.withDefaults().text(1024, 512),
	}
	r := rand.New(rand.NewPCG(3, 4))
	ran := 0
	for i := range 1200 {
		text := mangle(texts[i%len(texts)], r)
		p, err := Load(text)
		if err != nil {
			continue
		}
		ran++
		k := p.Kernel("k")
		if k == nil {
			continue
		}
		memory := NewMemory(1 << 14)
		base, err := memory.Alloc(4096, true)
		if err != nil {
			t.Fatal(err)
		}
		params := make([]byte, k.ParamBytes())
		m := TensorMap{
			Type: TensorFloat32, Address: base, Dims: []uint64{16, 4, 4}, Strides: []uint64{64, 256}, Box: []uint32{8, 2, 2}, ElementStrides: []uint32{1, 1, 1},
		}
		encoded, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(params) > 2*TensorMapBytes {
			copy(params, encoded[:])
			copy(params[TensorMapBytes:], encoded[:])
			params[2*TensorMapBytes+28] = 128
		} else {
			for j := range params {
				params[j] = byte(base >> (8 * (j % 8)))
			}
		}
		o := Options{MaxSteps: 3000, Preempt: true, CheckGlobal: true, Copies: Completion(i % 3), Seed: uint64(i), Workers: 1}
		err = k.Run(memory, Launch{Grid: [3]int{2, 1, 1}, Block: [3]int{128, 1, 1}, SharedBytes: 4096, Params: params}, o)
		if err != nil && !errors.Is(err, ErrFault) && !errors.Is(err, ErrLaunch) {
			t.Fatal(err)
		}
	}
	if ran < 100 {
		t.Errorf("only %d programs could be read", ran)
	}
}
