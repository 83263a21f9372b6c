package gen

import (
	"errors"
	"strings"
	"testing"
)

func TestVerifySource(t *testing.T) {
	plan := planned(t, "sigattn_fwd_sm80_d128_bf16_causal_128x32x3w4b2")
	good := "#define KERNEL_NAME " + plan.Name() + "\n// it's 1) fine\n/* { */\nextern \"C\" __global__ void KERNEL_NAME(int p) { asm(\"{\\\"\" : \"+f\"(p)); char c = '\\''; }\n"
	if err := verifySource(kernel{plan, []byte(good)}); err != nil {
		t.Fatal(err)
	}
	for bad, want := range map[string]string{
		good + "#include \"x.cuh\"\n":                               ":5: an #include is left",
		good + "\n  #  include <x>\n":                               ":6: an #include is left",
		good + "const char* f = __FILE__;\n":                        ":5: a macro",
		good + "// built in /home/someone/x\n":                      ":5: a path",
		good + "// it /tmp/x\n":                                     ":5: a path",
		good + "\r\n":                                               ":5: a carriage return",
		good + "\xff\n":                                             "UTF-8",
		strings.Replace(good, plan.Name(), "other", 1):              "must appear once and does 0 times",
		strings.Replace(good, `extern "C" `, "", 1):                 "must appear once and does 0 times",
		good + "extern \"C\" __global__ void KERNEL_NAME(int p);\n": "must appear once and does 2 times",
	} {
		err := verifySource(kernel{plan, []byte(bad)})
		if !errors.Is(err, ErrTemplate) || !strings.HasPrefix(err.Error(), plan.Name()+".cu") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", strings.TrimPrefix(bad, good), err, want)
		}
	}
}
