"""Carbon intensity of electricity grids: series, forecasts, providers and history."""
