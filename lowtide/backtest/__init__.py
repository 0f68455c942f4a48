"""Backtest of the planner: past days replayed against rivals and against the optimum."""
