/* Stand-in libnvidia-ml.so.1 for tests and the demo cluster. Never install it where a driver lives.
 *
 * It answers the NVML calls that the exporter makes, from a control file that control.py and
 * follow.py write: power curves with an exact integral, a virtual clock, lost devices, resets,
 * stuck and lying counters, processes, MIG, latency. Driver version and product names contain
 * "mock", so that nothing measured here passes for real.
 *
 * Environment: LOWTIDE_MOCK_STATE names the control file (made by control.py; nvmlInit fails
 * without it). A file that cannot be written is mapped read-only; calls are then not counted.
 *
 * Known limits: power scopes other than GPU, GPM and events are not there; a MIG handle given to
 * a power or energy call is refused (what hardware returns is not established); one driver lock
 * is not modelled.
 */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>

#include "standin.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static Control *control;
static int writable;
static uint32_t opened_generation;

static double now_seconds(void) {
  struct timespec ts;
  if (control->virtual_ns) return (double)control->virtual_ns * 1e-9;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)control->epoch_ns) * 1e-9;
}

static int map_control(void) {
  const char *path = getenv("LOWTIDE_MOCK_STATE");
  if (control) return 0;
  if (!path) return -1;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  writable = fd >= 0;
  if (fd < 0) fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  void *map = mmap(NULL, sizeof(Control), writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  off_t size = lseek(fd, 0, SEEK_END);
  close(fd);
  if (map == MAP_FAILED) return -1;
  if (size < (off_t)sizeof(Control) || ((Control *)map)->magic != STANDIN_MAGIC) {
    munmap(map, sizeof(Control));
    return -1;
  }
  control = map;
  return 0;
}

static void serve_call(void) {
  if (writable) control->calls++;
  if (!control->latency_ns) return;
  if (control->virtual_ns) {
    if (writable) control->virtual_ns += control->latency_ns;
    return;
  }
  struct timespec wait = {.tv_sec = (time_t)(control->latency_ns / 1000000000),
                          .tv_nsec = (long)(control->latency_ns % 1000000000)};
  nanosleep(&wait, NULL);
}

/* Handles: GPU g is g + 1; MIG instance m of GPU g is 0x1000 + 16 g + m. */
static int is_listed(int g) {
  for (uint32_t i = 0; i < control->visible; i++)
    if (control->order[i] == (uint32_t)g) return 1;
  return 0;
}

static nvmlReturn_t find(nvmlDevice_t handle, Gpu **gpu, int *index, int *instance) {
  uintptr_t h = (uintptr_t)handle;
  if (!control) return NVML_ERROR_UNINITIALIZED;
  if (control->generation != opened_generation) return NVML_ERROR_DRIVER_NOT_LOADED;
  *instance = -1;
  if (h >= 0x1000) {
    *index = (int)((h - 0x1000) >> 4);
    *instance = (int)(h & 15);
  } else {
    *index = (int)h - 1;
  }
  if (*index < 0 || *index >= MAX_GPUS) return NVML_ERROR_INVALID_ARGUMENT;
  *gpu = &control->gpu[*index];
  if (!is_listed(*index)) return NVML_ERROR_GPU_IS_LOST;
  if (*instance >= 0 && (uint32_t)*instance >= (*gpu)->instances) return NVML_ERROR_INVALID_ARGUMENT;
  serve_call();
  return (nvmlReturn_t)(*gpu)->error;
}

#define FIND(handle, out)                                       \
  Gpu *gpu;                                                     \
  int index_, instance_;                                        \
  nvmlReturn_t found_ = find(handle, &gpu, &index_, &instance_); \
  if (found_ != NVML_SUCCESS) return found_;                    \
  if (!(out)) return NVML_ERROR_INVALID_ARGUMENT
#define FIND_GPU(handle, out) \
  FIND(handle, out);          \
  if (instance_ >= 0) return NVML_ERROR_INVALID_ARGUMENT
#define FIND_INSTANCE(handle, out) \
  FIND(handle, out);               \
  if (instance_ < 0) return NVML_ERROR_INVALID_ARGUMENT; \
  const Instance *mig = &gpu->instance[instance_]

static void gpu_uuid(unsigned g, char *text, unsigned size) {
  snprintf(text, size, "GPU-%08x-0000-4000-8000-%012x", 0xabc00000u + g, g);
}
static void instance_uuid(unsigned g, unsigned m, char *text, unsigned size) {
  unsigned made = control->gpu[g].instance[m].replaced; /* a new layout has new UUIDs */
  snprintf(text, size, "MIG-%08x-%04x-5000-9000-%012x", 0xdef00000u + g, made, m);
}

/* --- library --------------------------------------------------------------------------------- */
EXPORT nvmlReturn_t nvmlShutdown(void) {
  if (!control) return NVML_ERROR_UNINITIALIZED;
  munmap(control, sizeof(Control)); /* the next nvmlInit may name another control file */
  control = NULL;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
  (void)flags;
  if (map_control()) return NVML_ERROR_DRIVER_NOT_LOADED;
  nvmlReturn_t error = (nvmlReturn_t)control->init_error;
  opened_generation = control->generation;
  if (error != NVML_SUCCESS) nvmlShutdown();
  return error;
}
EXPORT nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
EXPORT const char *nvmlErrorString(nvmlReturn_t code) { return code ? "Mock error" : "Success"; }
EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *text, unsigned int size) {
  snprintf(text, size, "580.00.mock");
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *text, unsigned int size) {
  snprintf(text, size, "13.mock");
  return NVML_SUCCESS;
}

/* --- handles and identity -------------------------------------------------------------------- */
EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
  if (!control) return NVML_ERROR_UNINITIALIZED;
  if (control->generation != opened_generation) return NVML_ERROR_DRIVER_NOT_LOADED;
  *count = control->visible;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int i, nvmlDevice_t *handle) {
  if (!control) return NVML_ERROR_UNINITIALIZED;
  if (i >= control->visible) return NVML_ERROR_INVALID_ARGUMENT;
  *handle = (nvmlDevice_t)(uintptr_t)(control->order[i] + 1);
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t handle, char *text, unsigned int size) {
  FIND(handle, text);
  if (instance_ < 0) gpu_uuid((unsigned)index_, text, size);
  else instance_uuid((unsigned)index_, (unsigned)instance_, text, size);
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *wanted, nvmlDevice_t *handle) {
  char text[96];
  if (!control) return NVML_ERROR_UNINITIALIZED;
  for (unsigned i = 0; i < control->visible; i++) {
    unsigned g = control->order[i];
    gpu_uuid(g, text, sizeof text);
    if (!strcmp(wanted, text)) return nvmlDeviceGetHandleByIndex_v2(i, handle);
    for (unsigned m = 0; m < control->gpu[g].instances; m++) {
      instance_uuid(g, m, text, sizeof text);
      if (strcmp(wanted, text)) continue;
      *handle = (nvmlDevice_t)(uintptr_t)(0x1000 + g * 16 + m);
      return NVML_SUCCESS;
    }
  }
  return NVML_ERROR_NOT_FOUND;
}
EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t handle, unsigned int *value) {
  FIND_GPU(handle, value);
  for (unsigned i = 0; i < control->visible; i++)
    if (control->order[i] == (uint32_t)index_) *value = i;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t handle, unsigned int *value) {
  return nvmlDeviceGetIndex(handle, value);
}
EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t handle, char *text, unsigned int size) {
  FIND_GPU(handle, text);
  const char *name = gpu->sensor == SENSOR_GA100 ? "NVIDIA A100-SXM4-80GB" : "NVIDIA H100 80GB HBM3";
  snprintf(text, size, "%s (mock)", name);
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t handle, nvmlDeviceArchitecture_t *value) {
  FIND_GPU(handle, value);
  *value = gpu->architecture;
  return NVML_SUCCESS;
}

/* --- power and energy ------------------------------------------------------------------------ */
static unsigned milliwatts(double watts) { return (unsigned)lrint(watts * 1000); }

EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t handle, unsigned int *value) {
  FIND_GPU(handle, value);
  if (gpu->power_error) return (nvmlReturn_t)gpu->power_error;
  *value = milliwatts(average_watts(gpu, now_seconds()));
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t handle, unsigned int *value) {
  FIND_GPU(handle, value);
  *value = milliwatts(gpu->limit_watts);
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t handle, unsigned long long *value) {
  FIND_GPU(handle, value);
  if (gpu->energy_error) return (nvmlReturn_t)gpu->energy_error;
  *value = counter_millijoules(gpu, now_seconds());
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t handle, nvmlClockType_t type, unsigned int *value) {
  FIND_GPU(handle, value);
  if (type != NVML_CLOCK_SM && type != NVML_CLOCK_MEM) return NVML_ERROR_NOT_SUPPORTED;
  *value = type == NVML_CLOCK_SM ? gpu->sm_clock_megahertz : 2619;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t handle, unsigned long long *value) {
  FIND_GPU(handle, value);
  *value = gpu->throttle_reasons;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t handle, nvmlUtilization_t *value) {
  FIND_GPU(handle, value);
  if (gpu->mig_enabled) return NVML_ERROR_NOT_SUPPORTED;
  value->gpu = gpu->processes ? 87 : 0;
  value->memory = gpu->processes ? 41 : 0;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t handle, nvmlMemory_t *value) {
  FIND_GPU(handle, value);
  value->total = 80ULL << 30;
  value->used = gpu->processes ? 61ULL << 30 : 1ULL << 30;
  value->free = value->total - value->used;
  return NVML_SUCCESS;
}

static void read_field(const Gpu *gpu, nvmlFieldValue_t *field, double now) {
  field->timestamp = (long long)(now * 1e6);
  field->latencyUsec = 0;
  field->nvmlReturn = NVML_SUCCESS;
  int scoped = field->fieldId >= NVML_FI_DEV_POWER_AVERAGE && field->fieldId <= NVML_FI_DEV_POWER_REQUESTED_LIMIT;
  if (scoped && field->scopeId != NVML_POWER_SCOPE_GPU) {
    field->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
    return;
  }
  field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
  switch (field->fieldId) {
  case NVML_FI_DEV_POWER_INSTANT:
    field->value.uiVal = milliwatts(instant_watts(gpu, now));
    field->nvmlReturn = (nvmlReturn_t)gpu->power_error;
    break;
  case NVML_FI_DEV_POWER_AVERAGE:
    field->value.uiVal = milliwatts(average_watts(gpu, now));
    field->nvmlReturn = gpu->sensor == SENSOR_HOPPER ? (nvmlReturn_t)gpu->power_error : NVML_ERROR_NOT_SUPPORTED;
    break;
  case NVML_FI_DEV_POWER_CURRENT_LIMIT: field->value.uiVal = milliwatts(gpu->limit_watts); break;
  case NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION:
  case NVML_FI_DEV_ENERGY:
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
    field->value.ullVal = counter_millijoules(gpu, now);
    field->nvmlReturn = (nvmlReturn_t)gpu->energy_error;
    break;
  default: field->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
  }
}
EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t handle, int count, nvmlFieldValue_t *values) {
  FIND_GPU(handle, values);
  double now = now_seconds();
  for (int k = 0; k < count; k++) read_field(gpu, &values[k], now);
  return NVML_SUCCESS;
}

/* --- processes ------------------------------------------------------------------------------- */
EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t handle, unsigned int *count, nvmlProcessInfo_t *infos) {
  FIND_GPU(handle, count);
  unsigned room = *count;
  *count = gpu->processes;
  if (room < gpu->processes) return NVML_ERROR_INSUFFICIENT_SIZE;
  for (unsigned k = 0; k < gpu->processes; k++) {
    infos[k].pid = gpu->process[k].pid;
    infos[k].usedGpuMemory = gpu->process[k].memory_bytes;
    infos[k].gpuInstanceId = infos[k].computeInstanceId = 0xFFFFFFFF;
  }
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t handle, nvmlProcessUtilizationSample_t *samples, unsigned int *count, unsigned long long since_us) {
  FIND_GPU(handle, count);
  if (gpu->mig_enabled) return NVML_ERROR_NOT_SUPPORTED;
  unsigned long long stamp = (unsigned long long)floor(now_seconds()) * 1000000ULL;
  unsigned busy = 0, room = *count;
  for (unsigned k = 0; k < gpu->processes; k++) busy += gpu->process[k].sm_percent > 0;
  if (!busy || stamp <= since_us) return NVML_ERROR_NOT_FOUND;
  *count = busy;
  if (!samples || room < busy) return NVML_ERROR_INSUFFICIENT_SIZE;
  for (unsigned k = 0, out = 0; k < gpu->processes; k++) {
    if (!gpu->process[k].sm_percent) continue;
    memset(&samples[out], 0, sizeof samples[out]);
    samples[out].pid = gpu->process[k].pid;
    samples[out].smUtil = gpu->process[k].sm_percent;
    samples[out++].timeStamp = stamp;
  }
  return NVML_SUCCESS;
}

/* --- MIG ------------------------------------------------------------------------------------- */
EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t handle, unsigned int *current, unsigned int *pending) {
  FIND_GPU(handle, current);
  *current = *pending = gpu->mig_enabled;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t handle, unsigned int *count) {
  FIND_GPU(handle, count);
  *count = gpu->mig_enabled ? MAX_INSTANCES : 0;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t handle, unsigned int m, nvmlDevice_t *instance) {
  FIND_GPU(handle, instance);
  if (m >= gpu->instances) return NVML_ERROR_NOT_FOUND;
  *instance = (nvmlDevice_t)(uintptr_t)(0x1000u + (unsigned)index_ * 16 + m);
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t handle, unsigned int *value) {
  FIND_INSTANCE(handle, value);
  *value = mig->gpu_instance;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t handle, nvmlDeviceAttributes_t *value) {
  FIND_INSTANCE(handle, value);
  memset(value, 0, sizeof *value);
  value->multiprocessorCount = mig->multiprocessors;
  value->gpuInstanceSliceCount = value->computeInstanceSliceCount = mig->slices;
  return NVML_SUCCESS;
}
EXPORT nvmlReturn_t nvmlDeviceGetNumGpuCores(nvmlDevice_t handle, unsigned int *value) {
  FIND_GPU(handle, value);
  *value = gpu->sensor == SENSOR_GA100 ? 108 * 64 : 132 * 128;
  return NVML_SUCCESS;
}

/* --- for control.py, not part of NVML -------------------------------------------------------- */
EXPORT unsigned long standin_sizeof(void) { return sizeof(Control); }
EXPORT double standin_true_joules(const void *gpu, double seconds) { return true_joules(gpu, seconds); }
