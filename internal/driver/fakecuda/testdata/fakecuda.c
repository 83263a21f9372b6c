// A stand-in for libcuda.so.1 that has one device, keeps contexts per thread as the driver does, moves no data, and
// records launches and memsets for the test that loaded it.
#include <pthread.h>
#include <stdint.h>
#include <string.h>

typedef int CUresult;
enum { SUCCESS = 0, INVALID_VALUE = 1, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_PTX = 218, NOT_FOUND = 500 };

// What the test reads and sets; fakecuda.go declares the same layouts.
struct record {
    char op[16];     // "launch" or "memset"
    char name[112];  // the kernel
    uint32_t blocks, threads, shared_bytes, value, cluster, unused;
    uint64_t stream, address, count, context;
    unsigned char params[2048];
};
struct settings {
    int capability, shared_bytes, processors, record;
    int fail_code;      // the result of ...
    char fail_op[64];   // ... this function
};

static struct settings now = {80, 166912, 1, 1, 0, ""};
static struct record records[4096];
static int recorded;
static int modules;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread uintptr_t current;

struct function {
    char name[112];
    int large_clusters, max_shared, param_bytes;
};

// What a kernel of this name takes.
static int param_bytes(const char* name) {
    static const struct { const char* part; int bytes; } sizes[] = {
        {"_fwd_sm90_", 704}, {"_bwd_sm90_", 1088}, {"_bwdord_sm90_", 1088}, {"_bwddkv_sm90_", 1088}, {"_bwddq_sm90_", 960}, {"_fwd_", 168},
    };
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (strstr(name, sizes[i].part)) return sizes[i].bytes;
    return 296;
}

void fakeSet(struct settings* s) { now = *s; }
int fakeModules(void) { return modules; }

// fakeTake empties the record; a test calls it after its launches.
int fakeTake(struct record* out, int max) {
    pthread_mutex_lock(&lock);
    int n = recorded < max ? recorded : max;
    memcpy(out, records, n * sizeof *out);
    recorded = 0;
    pthread_mutex_unlock(&lock);
    return n;
}

static void append(const struct record* r) {
    pthread_mutex_lock(&lock);
    if (recorded < 4096) records[recorded++] = *r;
    pthread_mutex_unlock(&lock);
}

#define FAIL_IF_ASKED \
    if (now.fail_code && strcmp(now.fail_op, __func__) == 0) return now.fail_code
#define NEED_CONTEXT \
    FAIL_IF_ASKED;   \
    if (!current) return INVALID_CONTEXT

CUresult cuInit(unsigned flags) { FAIL_IF_ASKED; return flags ? INVALID_VALUE : SUCCESS; }
CUresult cuDriverGetVersion(int* v) { FAIL_IF_ASKED; *v = 12040; return SUCCESS; }
CUresult cuGetErrorName(int code, const char** s) {
    *s = code == INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE" : code == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT"
       : code == INVALID_IMAGE ? "CUDA_ERROR_INVALID_IMAGE" : code == NOT_FOUND ? "CUDA_ERROR_NOT_FOUND"
       : code == INVALID_PTX ? "CUDA_ERROR_INVALID_PTX" : 0;
    return *s ? SUCCESS : INVALID_VALUE;
}
CUresult cuGetErrorString(int code, const char** s) {
    *s = code == INVALID_VALUE ? "invalid argument" : 0;
    return *s ? SUCCESS : INVALID_VALUE;
}

CUresult cuDeviceGetCount(int* n) { FAIL_IF_ASKED; *n = 1; return SUCCESS; }
CUresult cuDeviceGet(int* d, int i) { FAIL_IF_ASKED; *d = 0; return i == 0 ? SUCCESS : 101; }
CUresult cuDeviceGetName(char* s, int n, int d) { FAIL_IF_ASKED; strncpy(s, "Fake GPU", n); return SUCCESS; }
CUresult cuDeviceGetAttribute(int* v, int a, int d) {
    FAIL_IF_ASKED;
    *v = a == 75 ? now.capability / 10 : a == 76 ? now.capability % 10 : a == 97 ? now.shared_bytes : a == 16 ? now.processors : 1;
    return SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t* n, int d) { FAIL_IF_ASKED; *n = (size_t)1 << 36; return SUCCESS; }

CUresult cuDevicePrimaryCtxRetain(uintptr_t* c, int d) { FAIL_IF_ASKED; *c = 0xc0de; return SUCCESS; }
CUresult cuDevicePrimaryCtxRelease_v2(int d) { FAIL_IF_ASKED; return SUCCESS; }
CUresult cuCtxGetCurrent(uintptr_t* c) { FAIL_IF_ASKED; *c = current; return SUCCESS; }
CUresult cuCtxSetCurrent(uintptr_t c) { FAIL_IF_ASKED; current = c; return SUCCESS; }
CUresult cuCtxGetDevice(int* d) { NEED_CONTEXT; *d = 0; return SUCCESS; }
CUresult cuCtxSynchronize(void) { NEED_CONTEXT; return SUCCESS; }

// "cubin NAME" and "ptx NAME" are the images that load, PTX where it ends in a NUL; NAME is the kernel.
CUresult cuModuleLoadDataEx(struct function** m, const char* image, unsigned n, const int* options, void** values) {
    NEED_CONTEXT;
    static struct function table[64];
    static int used;
    int ptx = strncmp(image, "ptx ", 4) == 0;
    if (!ptx && strncmp(image, "cubin ", 6) != 0) {
        if (strncmp(image, "bad ptx", 7) != 0) return INVALID_IMAGE;
        for (unsigned i = 0; i < n; i++)
            if (options[i] == 5) strcpy(values[i], "ptxas error: line 7\n");
        return INVALID_PTX;
    }
    if (!ptx && now.fail_code && strcmp(now.fail_op, "cubin") == 0) return now.fail_code;
    pthread_mutex_lock(&lock);
    struct function* f = &table[used++ % 64];
    modules++;
    pthread_mutex_unlock(&lock);
    strncpy(f->name, image + (ptx ? 4 : 6), sizeof f->name - 1);
    f->name[strcspn(f->name, " \n")] = 0;
    f->large_clusters = 0;
    f->max_shared = 49152;
    f->param_bytes = param_bytes(f->name);
    *m = f;
    return SUCCESS;
}
CUresult cuModuleUnload(struct function* m) { NEED_CONTEXT; modules--; return SUCCESS; }
CUresult cuModuleGetFunction(struct function** f, struct function* m, const char* name) {
    NEED_CONTEXT;
    *f = m;
    return strcmp(name, m->name) == 0 ? SUCCESS : NOT_FOUND;
}
CUresult cuFuncGetAttribute(int* v, int a, struct function* f) { NEED_CONTEXT; *v = a == 4 ? 128 : a == 8 ? f->max_shared : 0; return SUCCESS; }
CUresult cuFuncSetAttribute(struct function* f, int a, int v) {
    NEED_CONTEXT;
    if (a == 14) { f->large_clusters = v; return SUCCESS; }
    if (a != 8 || v > now.shared_bytes) return INVALID_VALUE;
    f->max_shared = v;
    return SUCCESS;
}

CUresult cuLaunchKernel(struct function* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned shared, uintptr_t stream, void** params, void** extra) {
    NEED_CONTEXT;
    if (!gx || gy != 1 || gz != 1 || !bx || by != 1 || bz != 1 || (int)shared > f->max_shared || extra) return INVALID_VALUE;
    if (!now.record) return SUCCESS;
    struct record r = {"launch", "", gx, bx, shared, 0, 1, 0, stream, 0, 0, current, {0}};
    memcpy(r.name, f->name, sizeof r.name);
    memcpy(r.params, params[0], f->param_bytes);
    append(&r);
    return SUCCESS;
}

// cuLaunchKernelEx takes the one attribute that the package gives: a cluster.
struct attribute { unsigned id, pad, value[16]; };
struct config { unsigned grid[3], block[3], shared; uintptr_t stream; struct attribute* attributes; unsigned count; };
CUresult cuLaunchKernelEx(struct config* c, struct function* f, void** params, void** extra) {
    NEED_CONTEXT;
    const unsigned* cluster = c->attributes->value;
    if (c->count != 1 || c->attributes->id != 4 || cluster[0] < 2 || cluster[0] > (f->large_clusters ? 16 : 8) || cluster[1] != 1 || cluster[2] != 1 || c->grid[0] % cluster[0]) return INVALID_VALUE;
    CUresult code = cuLaunchKernel(f, c->grid[0], c->grid[1], c->grid[2], c->block[0], c->block[1], c->block[2], c->shared, c->stream, params, extra);
    if (code == SUCCESS && now.record) records[recorded - 1].cluster = cluster[0];
    return code;
}
CUresult cuOccupancyMaxActiveClusters(int* n, struct function* f, const struct config* c) {
    NEED_CONTEXT;
    *n = (now.processors ? now.processors : 1) / c->attributes->value[0];
    return SUCCESS;
}
CUresult cuMemsetD32Async(uintptr_t p, unsigned value, size_t n, uintptr_t stream) {
    NEED_CONTEXT;
    if (!now.record) return SUCCESS;
    struct record r = {"memset", "", 0, 0, 0, value, 0, 0, stream, p, n, current, {0}};
    append(&r);
    return SUCCESS;
}

// cuTensorMapEncodeTiled leaves its arguments in the map, where the test looks for them.
CUresult cuTensorMapEncodeTiled(uint64_t* map, int type, unsigned rank, uintptr_t address, const uint64_t* dims, const uint64_t* strides,
                                const unsigned* box, const unsigned* steps, int interleave, int swizzle, int promotion, int fill) {
    FAIL_IF_ASKED;
    if ((uintptr_t)map % 64 || address % 16 || !rank || rank > 5) return INVALID_VALUE;
    memset(map, 0, 128);
    map[0] = type | rank << 8 | swizzle << 16 | promotion << 24;
    map[1] = address;
    for (unsigned i = 0; i < rank; i++) {
        if (steps[i] != 1 || interleave || fill) return INVALID_VALUE;
        map[2 + i] = dims[i];
        map[7 + i] = box[i];
        if (i) map[11 + i] = strides[i - 1];
    }
    return SUCCESS;
}

// The rest exists so that the library is complete.
#define UNUSED(name) CUresult name(void) { NEED_CONTEXT; return INVALID_VALUE; }
UNUSED(cuMemGetInfo_v2)
UNUSED(cuMemAlloc_v2)
UNUSED(cuMemFree_v2)
UNUSED(cuMemcpyHtoD_v2)
UNUSED(cuMemcpyDtoH_v2)
UNUSED(cuMemcpyDtoD_v2)
UNUSED(cuMemcpyHtoDAsync_v2)
UNUSED(cuMemcpyDtoHAsync_v2)
UNUSED(cuMemcpyDtoDAsync_v2)
UNUSED(cuMemsetD8_v2)
UNUSED(cuMemsetD8Async)
UNUSED(cuStreamCreate)
UNUSED(cuStreamDestroy_v2)
UNUSED(cuStreamSynchronize)
UNUSED(cuStreamWaitEvent)
UNUSED(cuStreamBeginCapture_v2)
UNUSED(cuStreamEndCapture)
UNUSED(cuEventCreate)
UNUSED(cuEventDestroy_v2)
UNUSED(cuEventRecord)
UNUSED(cuEventSynchronize)
UNUSED(cuEventElapsedTime)
UNUSED(cuGraphInstantiateWithFlags)
UNUSED(cuGraphLaunch)
UNUSED(cuGraphExecDestroy)
UNUSED(cuGraphDestroy)
