package verify

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// hopperMutations are of instructions that only sm_90 has. Each phase of each barrier has its own.
var hopperMutations = []mutation{
	{"mbarrier arrival dropped", regexp.MustCompile(`(?m)^\s*mbarrier\.arrive\.shared.*$`), "", eachSite, nil},
	{"mbarrier arrival twice", regexp.MustCompile(`(?m)^(\s*mbarrier\.arrive\.shared.*)$`), "$1 $1", eachSite, nil},
	{"phase not waited for", regexp.MustCompile(`(?m)^\s*mbarrier\.try_wait\S+ p, .*$`), "setp.eq.s32 p, 0, 0;", eachSite, nil},
	{"the other phase waited for", regexp.MustCompile(`(?m)^(\s*mbarrier\.try_wait\S+ p, \[%r\d+\]), (%r\d+);$`), ".reg .b32 t; xor.b32 t, $2, 1; $1, t;", eachSite, nil},
	{"a byte more expected", regexp.MustCompile(`(?m)^(\s*mbarrier\.arrive\.expect_tx\S+ _, \[%r\d+\]), (%r\d+);$`), "{ .reg .b32 t; add.s32 t, $2, 1; $1, t; }", eachSite, nil},
	{"one arrival more", regexp.MustCompile(`(?m)^(\s*mbarrier\.init\S+ \[%r\d+\]), (%r\d+);$`), "{ .reg .b32 t; add.s32 t, $2, 1; $1, t; }", eachSite, nil},
	{"tensor load dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.tensor\.4d\.shared::cluster.*, \[(?P<value>%r\d+)\];$`), "", eachValue, nil},
	{"rows one further", regexp.MustCompile(`(?m)^(\s*cp\.async\.bulk\.tensor\.4d\.shared::cluster\S+ \[%r\d+\], \[%rd\d+, \{%r\d+), (%r\d+)(.*\[(?P<value>%r\d+)\];)$`), "{ .reg .b32 t; add.s32 t, $2, 1; $1, t$3 }", eachValue, nil},
	{"another head", regexp.MustCompile(`(?m)^(\s*cp\.async\.bulk\.tensor\.4d\.shared::cluster\S+ \[%r\d+\], \[%rd\d+, \{%r\d+, %r\d+), (%r\d+)(.*\[(?P<value>%r\d+)\];)$`), "{ .reg .b32 t; xor.b32 t, $2, 1; $1, t$3 }", eachValue, nil},
	{"tensor store dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.tensor\.4d\.global\S+ \[(?P<value>%rd\d+).*$`), "", eachValue, nil},
	{"rows stored one further", regexp.MustCompile(`(?m)^(\s*cp\.async\.bulk\.tensor\.4d\.global\S+ \[(?P<value>%rd\d+), \{%r\d+), (%r\d+)(.*)$`), "{ .reg .b32 t; add.s32 t, $3, 1; $1, t$4 }", eachValue, nil},
	{"store not committed", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.commit_group;$`), "", eachSite, nil},
	{"place reused before it is read", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.wait_group\.read 0;$`), "", eachSite, nil},
	{"stores not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.wait_group 0;$`), "", eachSite, nil},
	{"proxies not fenced", regexp.MustCompile(`(?m)^\s*fence\.proxy\.async.*$`), "", eachSite, nil},
	{"registers not fenced", regexp.MustCompile(`(?m)^\s*wgmma\.fence.*$`), "", eachSite, nil},
	{"product not committed", regexp.MustCompile(`(?m)^\s*wgmma\.commit_group.*$`), "", eachSite, nil},
	{"product not waited for", regexp.MustCompile(`(?m)^\s*wgmma\.wait_group\.sync\.aligned \d;$`), "", eachSite, nil},
	{"wait for one product less", regexp.MustCompile(`(?m)^\s*wgmma\.wait_group\.sync\.aligned 0;$`), "wgmma.wait_group.sync.aligned 1;", eachSite, nil},
	{"barrier dropped", regexp.MustCompile(`(?m)^\s*bar\.sync.*$`), "", eachSite, nil},
	{"wgmma dropped", regexp.MustCompile(`(?m)^\s*wgmma\.mma_async.*$`), "", eachProduct, nil},
	{"sum begun anew", regexp.MustCompile(`(?m)^\s*setp\.ne\.b32 p, (%r\d+), 0;$`), "setp.eq.b32 p, $1, 0;", eachProduct, nil},
	{"operands swapped", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*\}), (%rd\d+), (%rd\d+), (p, 1, 1, \d, \d;)$`), "$1, $3, $2, $4", eachProduct, nil},
	{"rows taken for columns", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), p, 1, 1, ((?:\d, )?)1;$`), "$1, p, 1, 1, ${2}0;", eachProduct, nil},
	{"cluster's barrier dropped", regexp.MustCompile(`(?m)^\s*barrier\.cluster\..*$`), "", eachSite, nil},
	{"another block's part", regexp.MustCompile(`(?m)^(\s*mapa\S+ %r\d+, %r\d+), (%r\d+);$`), "{ .reg .b32 t; xor.b32 t, $2, 1; $1, t; }", middle, nil},
	{"another part of a block", regexp.MustCompile(`(?m)^(\s*ld\.shared::cluster.*\[%r\d+)\];$`), "$1+16];", middle, nil},
	{"result to another chunk", regexp.MustCompile(`(?m)^(\s*stmatrix\S+ \[%r\d+)\](.*)$`), "$1+16]$2", middle, nil},
	{"result transposed", regexp.MustCompile(`(?m)^(\s*stmatrix\S+x4)(\.shared.*)$`), "$1.trans$2", middle, nil},
	{"result dropped", regexp.MustCompile(`(?m)^\s*stmatrix.*$`), "", middle, nil},
}

// maskMutations are of the forward kernel's way to hide two keys of a register.
var maskMutations = []mutation{
	{"mask one key further", regexp.MustCompile(`(?m)^(\s*setp\.lt\.s32\s+%p\d+, %r\d+), 2;$`), "$1, 1;", middle, nil},
	{"mask one key nearer", regexp.MustCompile(`(?m)^(\s*setp\.lt\.s32\s+%p\d+, %r\d+), 2;$`), "$1, 3;", middle, nil},
}

// constantMutations are of the forms of the sigmoid, its slope and the scales: of every constant, and of every limit that
// sends a tile to another form.
var constantMutations = []mutation{
	{"constant doubled", regexp.MustCompile(`, (?P<value>0f(?:[1-6B-E][0-9A-F]{7}|F[0-7][0-9A-F]{6}))`), "", eachValue, func(s string) string {
		bits, _ := strconv.ParseUint(strings.TrimPrefix(s, ", 0f"), 16, 32)
		return fmt.Sprintf(", 0f%08X", bits+1<<23)
	}},
	{"form goes 16 times as far", regexp.MustCompile(`, (?P<value>10[2-5]\d{7});`), "", eachValue, func(s string) string {
		bits, _ := strconv.Atoi(strings.Trim(s, ", ;"))
		return fmt.Sprintf(", %d;", bits+4<<23)
	}},
}

// gradientMutations are of the backward kernels, whose products, masks, sums and places of barriers are many.
var gradientMutations = []mutation{
	{"product's registers swapped", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*\}, \{)(%r\d+), (%r\d+), (%r\d+), (.*)$`), "$1$3, $2, $4, $5", eachProduct, nil},
	{"product's A transposed", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), p, 1, 1, 0, (\d);$`), "$1, p, 1, 1, 1, $2;", middle, nil},
	{"product's A not transposed", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), p, 1, 1, 1, (\d);$`), "$1, p, 1, 1, 0, $2;", middle, nil},
	{"product's B transposed", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), p, 1, 1, ((?:\d, )?)0;$`), "$1, p, 1, 1, ${2}1;", middle, nil},
	{"product's A 32 bytes on", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*\}), (%rd\d+)(, %rd\d+, p.*)$`), "{ .reg .b64 t; add.s64 t, $2, 2; $1, t$3 }", eachProduct, nil},
	{"product's B 32 bytes on", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), (%rd\d+)(, p.*)$`), "{ .reg .b64 t; add.s64 t, $2, 2; $1, t$3 }", eachProduct, nil},
	{"product's B 8 rows on", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), (%rd\d+)(, p.*)$`), "{ .reg .b64 t; add.s64 t, $2, 64; $1, t$3 }", middle, nil},
	{"product's panels elsewhere", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), (%rd\d+)(, p, 1, 1, (?:\d, )?1;)$`), "{ .reg .b64 t; xor.b64 t, $2, 4194304; $1, t$3 }", eachProduct, nil},
	{"product's rows apart", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), (%rd\d+)(, p.*)$`), "{ .reg .b64 t; xor.b64 t, $2, 412316860416; $1, t$3 }", middle, nil},
	{"bound one further", regexp.MustCompile(`(?m)^(\s*)(setp\.[lg][te]\.s32\s+%p\d+), (%r\d+), (%r\d+;)$`), "{ .reg .b32 t; add.s32 t, $3, 1; $2, t, $4 }", eachSite, nil},
	{"bound one nearer", regexp.MustCompile(`(?m)^(\s*)(setp\.[lg][te]\.s32\s+%p\d+), (%r\d+), (%r\d+;)$`), "{ .reg .b32 t; add.s32 t, $3, -1; $2, t, $4 }", eachSite, nil},
	{"seen one further", regexp.MustCompile(`(?m)^(\s*)(setp\.[lg][te]\.s32\s+%p\d+), (?P<value>%r\d+), (\d{1,5};)$`), "{ .reg .b32 t; add.s32 t, $3, 1; $2, t, $4 }", eachEnd, nil},
	{"seen one nearer", regexp.MustCompile(`(?m)^(\s*)(setp\.[lg][te]\.s32\s+%p\d+), (?P<value>%r\d+), (\d{1,5};)$`), "{ .reg .b32 t; add.s32 t, $3, -1; $2, t, $4 }", eachEnd, nil},
	{"another barrier waited for", regexp.MustCompile(`(?m)^(\s*mbarrier\.try_wait\S+ p, \[%r\d+)\](.*)$`), "$1+8]$2", eachSite, nil},
	{"another barrier arrived at", regexp.MustCompile(`(?m)^(\s*mbarrier\.arrive\.shared\S+ _, \[%r\d+)\](.*)$`), "$1+8]$2", eachSite, nil},
	{"another head stored", regexp.MustCompile(`(?m)^(\s*cp\.async\.bulk\.tensor\.4d\.global\S+ \[(?P<value>%rd\d+), \{%r\d+, %r\d+), (%r\d+)(.*)$`), "{ .reg .b32 t; xor.b32 t, $3, 1; $1, t$4 }", eachValue, nil},
	{"bulk addition dropped", regexp.MustCompile(`(?m)^\s*cp\.reduce\.async\.bulk.*$`), "", eachSite, nil},
	{"bulk addition elsewhere", regexp.MustCompile(`(?m)^(\s*cp\.reduce\.async\.bulk\S+ \[%rd\d+)\](.*)$`), "$1+512]$2", eachSite, nil},
	{"bulk addition halved", regexp.MustCompile(`(?m)^(\s*cp\.reduce\.async\.bulk.*), (%r\d+);$`), "{ .reg .b32 t; shr.u32 t, $2, 1; $1, t; }", eachSite, nil},
	{"bulk store dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.global.*$`), "", eachSite, nil},
	{"next block not told", regexp.MustCompile(`(?m)^\s*st\.release.*$`), "", eachSite, nil},
	{"shuffle over another distance", regexp.MustCompile(`(?m)^(\s*shfl\.sync\.bfly\S+\s+[^,]+, %[rf]\d+), (%r\d+)(,.*)$`), "{ .reg .b32 t; shr.u32 t, $2, 1; $1, t$3 }", eachSite, nil},
	{"accumulator not cleared", regexp.MustCompile(`(?m)^(\s*mov\.f32\s+%f\d+), 0f00000000;$`), "$1, 0f3F800000;", eachSite, nil},
	{"shared store dropped", regexp.MustCompile(`(?m)^\s*st\.shared.*$`), "", eachSite, nil},
	{"global store dropped", regexp.MustCompile(`(?m)^\s*st\.global.*$`), "", eachSite, nil},
}
