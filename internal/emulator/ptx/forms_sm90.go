package ptx

import (
	"fmt"
	"strings"
)

// hopperTable lists the forms that kernels for sm_90 use beside those of instructionTable, in the notation of that.
const hopperTable = `
mbarrier.init{,.shared,.shared::cta}.b64                = [s] w
mbarrier.inval{,.shared,.shared::cta}.b64               = [s]
mbarrier.arrive{,.release.cta,.relaxed.cta}{,.shared,.shared::cta}.b64 d_ = [s] ? w
mbarrier.arrive{,.release.cta,.release.cluster,.relaxed.cta,.relaxed.cluster}.shared::cluster.b64 d_ = [s] ? w
mbarrier.arrive.release.cluster{,.shared,.shared::cta}.b64 d_ = [s] ? w
mbarrier.arrive.expect_tx{,.release.cta,.release.cluster,.relaxed.cta,.relaxed.cluster}{,.shared,.shared::cta,.shared::cluster}.b64 d_ = [s] w
mbarrier.expect_tx{,.relaxed.cta,.relaxed.cluster}{,.shared,.shared::cta,.shared::cluster}.b64 = [s] w
mbarrier.complete_tx{,.relaxed.cta,.relaxed.cluster}{,.shared,.shared::cta,.shared::cluster}.b64 = [s] w
mbarrier.test_wait{,.acquire.cta,.acquire.cluster,.relaxed.cta,.relaxed.cluster}{,.shared,.shared::cta}.b64 p = [s] d
mbarrier.test_wait.parity{,.acquire.cta,.acquire.cluster,.relaxed.cta,.relaxed.cluster}{,.shared,.shared::cta}.b64 p = [s] w
mbarrier.try_wait{,.acquire.cta,.acquire.cluster,.relaxed.cta,.relaxed.cluster}{,.shared,.shared::cta}.b64 p = [s] d ? w
mbarrier.try_wait.parity{,.acquire.cta,.acquire.cluster,.relaxed.cta,.relaxed.cluster}{,.shared,.shared::cta}.b64 p = [s] w ? w
cp.async.mbarrier.arrive{,.noinc}{,.shared,.shared::cta}.b64 = [s]

cp.async.bulk.{shared::cluster,shared::cta}.global.mbarrier::complete_tx::bytes = [s] [g] w [s]
cp.async.bulk.{shared::cluster,shared::cta}.global.mbarrier::complete_tx::bytes.L2::cache_hint = [s] [g] w [s] d
cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster = [s] [g] w [s] h
cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint = [s] [g] w [s] h d
cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes = [s] [s] w [s]
cp.async.bulk.global.shared::cta.bulk_group             = [g] [s] w
cp.async.bulk.global.shared::cta.bulk_group.L2::cache_hint = [g] [s] w d
cp.reduce.async.bulk.global.shared::cta.bulk_group.add.{f32,u32,s32,noftz.f16,noftz.bf16} = [g] [s] w
cp.reduce.async.bulk.global.shared::cta.bulk_group.L2::cache_hint.add.{f32,u32,s32,noftz.f16,noftz.bf16} = [g] [s] w d
cp.async.bulk.prefetch.L2.global                        = [g] w
cp.async.bulk.prefetch.L2.global.L2::cache_hint         = [g] w d
cp.async.bulk.commit_group                              =
cp.async.bulk.wait_group{,.read}                        = i

prefetch.{tensormap,param.tensormap,const.tensormap}    = [a]
prefetch.global.{L1,L2,L2::evict_last,L2::evict_normal} = [g]
prefetch.{L1,L2}                                        = [a]
createpolicy.fractional.L2::{evict_last,evict_first,evict_normal,evict_unchanged}.b64 d = ? w
createpolicy.fractional.L2::{evict_last,evict_first}.L2::evict_unchanged.b64 d = ? w

wgmma.fence.sync.aligned                                =
wgmma.commit_group.sync.aligned                         =
wgmma.wait_group.sync.aligned                           = i
setmaxnreg.{inc,dec}.sync.aligned.u32                   = i
elect.sync                                              w|p_ = w

fence.proxy.async{,.global,.shared::cta,.shared::cluster} =
fence.proxy.async::generic.acquire.sync_restrict::shared::cluster.cluster =
fence.proxy.async::generic.release.sync_restrict::shared::cta.cluster =
fence.mbarrier_init.release.cluster                     =
fence.proxy.tensormap::generic.release.{cta,cluster,gpu,sys} =
fence.proxy.tensormap::generic.acquire.{cta,cluster,gpu,sys} = [a] i
fence{,.acq_rel,.sc,.acquire,.release}.{cta,cluster,gpu,sys} =
griddepcontrol.{wait,launch_dependents}                 =
barrier.cluster.arrive{,.release,.relaxed}{,.aligned}   =
barrier.cluster.wait{,.acquire}{,.aligned}              =
mapa{,.shared::cluster}.u32                             w = w w
mapa{,.shared::cluster}.u64                             d = d w
getctarank{,.shared::cluster}.u32                       w = w
getctarank{,.shared::cluster}.u64                       w = d

ld.acquire.gpu.global.u32                               w = [g]
st.release.gpu.global.u32                               = [g] w
ld.shared::{cta,cluster}.{u8,s8,b8,u16,s16,b16}         h+ = [s]
ld.shared::{cta,cluster}.{b32,u32,s32,f32}              w+ = [s]
ld.shared::{cta,cluster}.{b64,u64,s64}                  d = [s]
ld.shared::{cta,cluster}.v2.{b32,u32,f32}               w2 = [s]
ld.shared::{cta,cluster}.v4.{b32,u32,f32}               w4 = [s]
ld.shared::{cta,cluster}.v2.{b64,u64}                   d2 = [s]
st.shared::{cta,cluster}.{u8,b8,u16,b16}                = [s] h+
st.shared::{cta,cluster}.{b32,u32,f32}                  = [s] w+
st.shared::{cta,cluster}.{b64,u64}                      = [s] d
st.shared::{cta,cluster}.v2.{b32,u32,f32}               = [s] w2
st.shared::{cta,cluster}.v4.{b32,u32,f32}               = [s] w4
st.shared::{cta,cluster}.v2.{b64,u64}                   = [s] d2
st.async{,.weak}.shared::cluster.mbarrier::complete_tx::bytes.{b32,u32,s32,f32} = [s] w [s]
st.async{,.weak}.shared::cluster.mbarrier::complete_tx::bytes.{b64,u64,s64} = [s] d [s]
st.async{,.weak}.shared::cluster.mbarrier::complete_tx::bytes.v2.{b32,u32,s32,f32} = [s] w2 [s]
st.async{,.weak}.shared::cluster.mbarrier::complete_tx::bytes.v4.{b32,u32,s32,f32} = [s] w4 [s]

stmatrix.sync.aligned.m8n8.x1{,.trans}{.shared,.shared::cta}.b16 = [s] w1
stmatrix.sync.aligned.m8n8.x2{,.trans}{.shared,.shared::cta}.b16 = [s] w2
stmatrix.sync.aligned.m8n8.x4{,.trans}{.shared,.shared::cta}.b16 = [s] w4
ldmatrix.sync.aligned.m8n8.x1{,.trans}.shared::cta.b16  w1 = [s]
ldmatrix.sync.aligned.m8n8.x2{,.trans}.shared::cta.b16  w2 = [s]
ldmatrix.sync.aligned.m8n8.x4{,.trans}.shared::cta.b16  w4 = [s]

red{,.relaxed.gpu}.global.add.v2.f32                    = [g] w2
red{,.relaxed.gpu}.global.add.v4.f32                    = [g] w4
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.{f16,bf16} p = h h
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.{f16x2,bf16x2} p|p_ = w w
cvt.rn.satfinite.{e4m3x2,e5m2x2}.f32                    h = w w
cvt.rn.f16x2.{e4m3x2,e5m2x2}                            w = h
cvta.{param,shared,global}.u64                          d = d
cvta.to.param.u64                                       d = d
nanosleep.u32                                           = w
trap                                                    =
`

// tensorTable lists, for each number of dimensions, the copies between tensors and shared memory.
const tensorTable = `
cp.async.bulk.tensor.%[1]dd.{shared::cluster,shared::cta}.global{,.tile}.mbarrier::complete_tx::bytes = [s] [%[1]d] [s]
cp.async.bulk.tensor.%[1]dd.{shared::cluster,shared::cta}.global{,.tile}.mbarrier::complete_tx::bytes.L2::cache_hint = [s] [%[1]d] [s] d
cp.async.bulk.tensor.%[1]dd.shared::cluster.global{,.tile}.mbarrier::complete_tx::bytes.multicast::cluster = [s] [%[1]d] [s] h
cp.async.bulk.tensor.%[1]dd.shared::cluster.global{,.tile}.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint = [s] [%[1]d] [s] h d
cp.async.bulk.tensor.%[1]dd.global.shared::cta{,.tile}.bulk_group = [%[1]d] [s]
cp.async.bulk.tensor.%[1]dd.global.shared::cta{,.tile}.bulk_group.L2::cache_hint = [%[1]d] [s] d
cp.reduce.async.bulk.tensor.%[1]dd.global.shared::cta.add{,.tile}.bulk_group = [%[1]d] [s]
cp.reduce.async.bulk.tensor.%[1]dd.global.shared::cta.add{,.tile}.bulk_group.L2::cache_hint = [%[1]d] [s] d
cp.async.bulk.prefetch.tensor.%[1]dd.L2.global{,.tile}  = [%[1]d]
cp.async.bulk.prefetch.tensor.%[1]dd.L2.global{,.tile}.L2::cache_hint = [%[1]d] d
`

const maxTensorDimensions = 5

// productTable makes the lines whose operands depend on a number of the name: the tensor copies, and wgmma, whose
// accumulators are a row of so many columns to 4 lanes.
func productTable() string {
	var table strings.Builder
	for d := 1; d <= maxTensorDimensions; d++ {
		fmt.Fprintf(&table, tensorTable, d)
	}
	for n := 8; n <= 256; n += 8 {
		fmt.Fprintf(&table, "wgmma.mma_async.sync.aligned.m64n%dk16.f32.{bf16.bf16,f16.f16} w%d = d/w4 d p i i i ? i\n", n, n/2)
		fmt.Fprintf(&table, "wgmma.mma_async.sync.aligned.m64n%dk16.f16.f16.f16 w%d = d/w4 d p i i i ? i\n", n, n/4)
		fmt.Fprintf(&table, "wgmma.mma_async.sync.aligned.m64n%dk32.f32.{e4m3,e5m2}.{e4m3,e5m2} w%d = d/w4 d p i i\n", n, n/2)
		fmt.Fprintf(&table, "wgmma.mma_async.sync.aligned.m64n%dk32.f16.{e4m3,e5m2}.{e4m3,e5m2} w%d = d/w4 d p i i\n", n, n/4)
	}
	return table.String()
}
