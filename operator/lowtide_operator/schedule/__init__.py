"""Schedule of all jobs together: forecasts, capacity, bookings and the plans made from them."""
