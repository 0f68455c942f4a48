/* The truth of the stand-in: each way of drawing power has an energy integral in closed form.
 *
 * The sensors imitate the averaging windows that were measured for NVIDIA parts ("Part-time power
 * measurements", SC'24, table of sensor behaviour). The counter integrates the truth perfectly,
 * which no publication confirms for real hardware; gain, stuck time and reset model its faults.
 */
#include "standin.h"

#include <math.h>

static double curve_joules(const Gpu *g, double t) {
  double period = g->high_seconds + g->mid_seconds + g->low_seconds;
  double whole = g->high_watts * g->high_seconds + g->mid_watts * g->mid_seconds +
                 g->low_watts * g->low_seconds;
  double x = t + g->phase_seconds, periods = floor(x / period), rest = x - periods * period;
  double joules = periods * whole;
  double part = fmin(rest, g->high_seconds);
  joules += part * g->high_watts;
  rest -= part;
  part = fmin(rest, g->mid_seconds);
  joules += part * g->mid_watts;
  rest -= part;
  return joules + rest * g->low_watts;
}

static double trace_joules(const Gpu *g, double t) {
  uint32_t low = 0, high = g->points; /* last point that is not later than t */
  if (!high) return 0;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    if (g->point[middle].at_seconds <= t) low = middle;
    else high = middle;
  }
  const Point *p = &g->point[low];
  return p->joules + p->watts * (t - p->at_seconds);
}

double true_joules(const Gpu *g, double t) {
  switch (g->draw) {
  case DRAW_FOLLOW: return g->idle_watts * t + g->watts_per_core * g->cpu_seconds;
  case DRAW_TRACE: return trace_joules(g, t);
  default: return curve_joules(g, t);
  }
}

static double mean_watts(const Gpu *g, double t, double window) {
  if (g->draw == DRAW_FOLLOW) return g->idle_watts + g->watts_per_core * g->cpu_cores;
  return (true_joules(g, t) - true_joules(g, t - window)) / window;
}

static double floor_to(double t, double step) { return step > 0 ? floor(t / step) * step : t; }

double instant_watts(const Gpu *g, double t) {
  switch (g->sensor) {
  case SENSOR_VOLTA: return mean_watts(g, floor_to(t, 0.020), 0.010);
  case SENSOR_IDEAL: return mean_watts(g, t, 1e-4);
  default: return mean_watts(g, floor_to(t, 0.100), 0.025);
  }
}

double average_watts(const Gpu *g, double t) {
  if (g->sensor == SENSOR_HOPPER) return mean_watts(g, floor_to(t, 0.100), 1.0);
  return instant_watts(g, t);
}

unsigned long long counter_millijoules(const Gpu *g, double t) {
  double seen = g->draw == DRAW_FOLLOW ? t : floor_to(t, g->refresh_seconds);
  if (g->stuck_from_seconds >= 0 && seen > g->stuck_from_seconds &&
      (g->stuck_until_seconds < 0 || seen < g->stuck_until_seconds))
    seen = g->stuck_from_seconds;
  double base = g->draw == DRAW_FOLLOW ? 0 : true_joules(g, 0);
  if (g->reset_at_seconds >= 0 && seen >= g->reset_at_seconds)
    base = true_joules(g, g->reset_at_seconds);
  double millijoules = (true_joules(g, seen) - base) * g->gain * 1000.0;
  return millijoules > 0 ? (unsigned long long)millijoules : 0;
}
