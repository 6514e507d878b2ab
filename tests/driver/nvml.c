/* A stand-in for NVIDIA's libnvidia-ml.so.1 with one device, for the real Python package to load. Types and return codes
 * as in nvml.h. NVML_REFUSES=n: every question about the device is answered with the error n. Built with -DOLD it lacks
 * some functions, as an older driver does. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, UNSIGNED_INT = 1, KEPT = 120 };
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned long long at_us; union { double d; unsigned ui; unsigned long long ull; } value; } Sample;
static char device;

static int answer(void) { const char *code = getenv("NVML_REFUSES"); return code ? atoi(code) : SUCCESS; }
static int text(char *into, unsigned size, const char *words) {
    if (answer()) return answer();
    if (strlen(words) + 1 > size) return INSUFFICIENT_SIZE;
    strcpy(into, words);
    return SUCCESS;
}
static int number(unsigned *into, unsigned value) { if (!answer()) *into = value; return answer(); }

int nvmlInitWithFlags(unsigned flags) { return flags ? INVALID_ARGUMENT : SUCCESS; }
const char *nvmlErrorString(int code) { return code == 999 ? "Unknown Error" : "made up"; }
int nvmlSystemGetDriverVersion(char *into, unsigned size) { return text(into, size, "580.65.06"); }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 13000; return answer(); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = &device;
    return index ? INVALID_ARGUMENT : SUCCESS;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    *handle = &device;
    return strcmp(uuid, "MIG-1") ? NOT_FOUND : SUCCESS;
}
int nvmlDeviceGetName(void *d, char *into, unsigned size) { return text(into, size, "NVIDIA Imaginary 80GB"); }
int nvmlDeviceGetUUID(void *d, char *into, unsigned size) { return text(into, size, "GPU-12345678"); }
int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor) { *major = 9; *minor = 0; return answer(); }
int nvmlDeviceGetMemoryInfo(void *d, Memory *memory) {
    if (!answer()) memory->total = 80ULL << 30, memory->free = 79ULL << 30, memory->used = 1ULL << 30;
    return answer();
}
int nvmlDeviceGetClockInfo(void *d, int kind, unsigned *mhz) { return number(mhz, kind == 1 ? 1755 : 2619); }
int nvmlDeviceGetPowerManagementLimit(void *d, unsigned *mw) { return number(mw, 700000); }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *celsius) { return number(celsius, sensor ? 0 : 36); }
int nvmlDeviceGetTotalEnergyConsumption(void *d, unsigned long long *mj) { *mj = 5000000000ULL; return answer(); }
#ifndef OLD
int nvmlDeviceGetMaxClockInfo(void *d, int kind, unsigned *mhz) { return number(mhz, kind == 1 ? 1980 : 2619); }
#endif
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *count, Process *found) {
    unsigned room = *count;
    if (answer()) return answer();
    *count = 2;
    if (!found || room < 2) return INSUFFICIENT_SIZE;
    found[0] = (Process){1, ~0ULL, ~0U, ~0U}; /* of another container: held memory is not told */
    found[1] = (Process){(unsigned)getpid(), 512ULL << 20, ~0U, ~0U};
    return SUCCESS;
}
/* Asked without an array: how many it keeps, not how many are new. */
int nvmlDeviceGetSamples(void *d, int kind, unsigned long long since, int *type, unsigned *count, Sample *found) {
    if (answer()) return answer();
    if (kind != 1) return INVALID_ARGUMENT;
    if (since >= 3000000) return NOT_FOUND;
    *type = UNSIGNED_INT;
    if (!found) { *count = KEPT; return SUCCESS; }
    *count = 0;
    for (unsigned i = 1; i <= 3; i++)
        if (i * 1000000ULL > since) found[*count].at_us = i * 1000000ULL, found[(*count)++].value.ui = 25 * i;
    return SUCCESS;
}
