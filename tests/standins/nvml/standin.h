/* Layout of the control file that the stand-in library and control.py share, and its clock.
 *
 * Every field is naturally aligned and written with one store, so a reader in another process
 * sees either the old or the new value. control.py repeats the layout as ctypes structures;
 * standin_sizeof() lets it refuse a library that was built from another version.
 */
#ifndef LOWTIDE_STANDIN_H
#define LOWTIDE_STANDIN_H

#include <stdint.h>

#define STANDIN_MAGIC 0x6c6f777469646531ULL
#define MAX_GPUS 16
#define MAX_PROCESSES 8
#define MAX_INSTANCES 7
#define MAX_POINTS 512

enum { SENSOR_HOPPER = 0, SENSOR_GA100 = 1, SENSOR_VOLTA = 2, SENSOR_IDEAL = 3 };
enum { DRAW_CURVE = 0, DRAW_FOLLOW = 1, DRAW_TRACE = 2 };

typedef struct {
  uint32_t pid, sm_percent;
  uint64_t memory_bytes;
} Process;

typedef struct {
  uint32_t gpu_instance, slices, multiprocessors, replaced;
} Instance;

/* Power is `watts` from `at_seconds` on; `joules` is the integral up to `at_seconds`. */
typedef struct {
  double at_seconds, watts, joules;
} Point;

typedef struct {
  uint32_t error;        /* nvmlReturn_t of every call on this device; 0 = healthy */
  uint32_t energy_error; /* nvmlReturn_t of the energy counter only */
  uint32_t power_error;  /* nvmlReturn_t of power readings only */
  uint32_t sensor;       /* SENSOR_* */
  uint32_t architecture; /* NVML_DEVICE_ARCH_* */
  uint32_t draw;         /* DRAW_* : which truth the meters see */
  uint32_t mig_enabled, instances, processes, points;
  uint32_t sm_clock_megahertz, throttle_reasons; /* bits as nvmlClocksThrottleReason* */
  double high_watts, mid_watts, low_watts;       /* DRAW_CURVE: one period is high, mid, low */
  double high_seconds, mid_seconds, low_seconds;
  double phase_seconds;
  double idle_watts, watts_per_core;             /* DRAW_FOLLOW: E = idle * t + slope * cpu */
  double cpu_seconds, cpu_cores;                 /* written by follow.py; cores = recent rate */
  double gain;                                   /* counter = gain * truth; 1 = honest */
  double refresh_seconds;                        /* counter refresh; 0 = continuous */
  double reset_at_seconds;                       /* counter restarts from zero here; < 0 never */
  double stuck_from_seconds, stuck_until_seconds; /* counter frozen in between; < 0 never */
  double limit_watts;
  Process process[MAX_PROCESSES];
  Instance instance[MAX_INSTANCES];
  Point point[MAX_POINTS];
} Gpu;

typedef struct {
  uint64_t magic;
  uint64_t virtual_ns;  /* != 0: the virtual clock, in nanoseconds */
  uint64_t epoch_ns;    /* CLOCK_MONOTONIC when the file was made; time 0 of the real clock */
  uint64_t calls;       /* device calls served (not atomic) */
  uint64_t latency_ns;  /* every device call takes this long */
  uint32_t generation;  /* raise it to reload the driver: open handles go dead */
  uint32_t init_error;  /* nvmlReturn_t of nvmlInit */
  uint32_t visible;     /* GPUs the driver lists */
  uint32_t order[MAX_GPUS]; /* which GPU sits at each index: indices move, UUIDs do not */
  uint32_t padding;
  Gpu gpu[MAX_GPUS];
} Control;

/* truth.c: exact energy since time 0, and what the meters show of it. */
double true_joules(const Gpu *gpu, double seconds);
double instant_watts(const Gpu *gpu, double seconds);
double average_watts(const Gpu *gpu, double seconds);
unsigned long long counter_millijoules(const Gpu *gpu, double seconds);

#endif
