package verify

import "regexp"

// hopperMutations are of instructions that only sm_90 has. Each phase of each barrier has its own.
var hopperMutations = []mutation{
	{"mbarrier arrival dropped", regexp.MustCompile(`(?m)^\s*mbarrier\.arrive\.shared.*$`), "", true},
	{"mbarrier arrival twice", regexp.MustCompile(`(?m)^(\s*mbarrier\.arrive\.shared.*)$`), "$1 $1", true},
	{"phase not waited for", regexp.MustCompile(`(?m)^\s*mbarrier\.try_wait\S+ p, .*$`), "setp.eq.s32 p, 0, 0;", true},
	{"the other phase waited for", regexp.MustCompile(`(?m)^(\s*mbarrier\.try_wait\S+ p, \[%r\d+\]), (%r\d+);$`), ".reg .b32 t; xor.b32 t, $2, 1; $1, t;", true},
	{"a byte more expected", regexp.MustCompile(`(?m)^(\s*mbarrier\.arrive\.expect_tx\S+ _, \[%r\d+\]), (%r\d+);$`), "{ .reg .b32 t; add.s32 t, $2, 1; $1, t; }", true},
	{"half of the bytes expected", regexp.MustCompile(`(?m)^(\s*mbarrier\.arrive\.expect_tx\S+ _, \[%r\d+\]), (%r\d+);$`), "{ .reg .b32 t; shr.u32 t, $2, 1; $1, t; }", true},
	{"one arrival more", regexp.MustCompile(`(?m)^(\s*mbarrier\.init\S+ \[%r\d+\]), (%r\d+);$`), "{ .reg .b32 t; add.s32 t, $2, 1; $1, t; }", true},
	{"tensor load dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.tensor\.4d\.shared::cluster.*$`), "", true},
	{"rows one further", regexp.MustCompile(`(?m)^(\s*cp\.async\.bulk\.tensor\.4d\.shared::cluster\S+ \[%r\d+\], \[%rd\d+, \{%r\d+), (%r\d+)(.*)$`), "{ .reg .b32 t; add.s32 t, $2, 1; $1, t$3 }", true},
	{"another head", regexp.MustCompile(`(?m)^(\s*cp\.async\.bulk\.tensor\.4d\.shared::cluster\S+ \[%r\d+\], \[%rd\d+, \{%r\d+, %r\d+), (%r\d+)(.*)$`), "{ .reg .b32 t; xor.b32 t, $2, 1; $1, t$3 }", false},
	{"tensor store dropped", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.tensor\.4d\.global.*$`), "", true},
	{"rows stored one further", regexp.MustCompile(`(?m)^(\s*cp\.async\.bulk\.tensor\.4d\.global\S+ \[%rd\d+, \{%r\d+), (%r\d+)(.*)$`), "{ .reg .b32 t; add.s32 t, $2, 1; $1, t$3 }", true},
	{"store not committed", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.commit_group;$`), "", true},
	{"place reused before it is read", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.wait_group\.read 0;$`), "", true},
	{"stores not waited for", regexp.MustCompile(`(?m)^\s*cp\.async\.bulk\.wait_group 0;$`), "", true},
	{"proxies not fenced", regexp.MustCompile(`(?m)^\s*fence\.proxy\.async.*$`), "", true},
	{"registers not fenced", regexp.MustCompile(`(?m)^\s*wgmma\.fence.*$`), "", true},
	{"product not committed", regexp.MustCompile(`(?m)^\s*wgmma\.commit_group.*$`), "", true},
	{"product not waited for", regexp.MustCompile(`(?m)^\s*wgmma\.wait_group\.sync\.aligned \d;$`), "", true},
	{"wait for one product less", regexp.MustCompile(`(?m)^\s*wgmma\.wait_group\.sync\.aligned 0;$`), "wgmma.wait_group.sync.aligned 1;", true},
	{"wgmma dropped", regexp.MustCompile(`(?m)^\s*wgmma\.mma_async.*$`), "", false},
	{"sum begun anew", regexp.MustCompile(`(?m)^\s*setp\.ne\.b32 p, (%r\d+), 0;$`), "setp.eq.b32 p, $1, 0;", false},
	{"operands swapped", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*\}), (%rd\d+), (%rd\d+), p, 1, 1, 0, 0;$`), "$1, $3, $2, p, 1, 1, 0, 0;", false},
	{"rows taken for columns", regexp.MustCompile(`(?m)^(\s*wgmma\.mma_async.*), p, 1, 1, 1;$`), "$1, p, 1, 1, 0;", false},
	{"mask one key further", regexp.MustCompile(`(?m)^(\s*setp\.lt\.s32\s+%p\d+, %r\d+), 2;$`), "$1, 1;", false},
	{"mask one key nearer", regexp.MustCompile(`(?m)^(\s*setp\.lt\.s32\s+%p\d+, %r\d+), 2;$`), "$1, 3;", false},
	{"result to another chunk", regexp.MustCompile(`(?m)^(\s*stmatrix\S+ \[%r\d+)\](.*)$`), "$1+16]$2", false},
	{"result transposed", regexp.MustCompile(`(?m)^(\s*stmatrix\S+x4)(\.shared.*)$`), "$1.trans$2", false},
	{"result dropped", regexp.MustCompile(`(?m)^\s*stmatrix.*$`), "", false},
}
