"""When a training job should run: constraints and a forecast in, a plan out. Pure."""
