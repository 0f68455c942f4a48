"""Electricity prices: series, tariffs, providers and forecasts, beside carbon intensity.

A price has a currency, which is stated and never converted. Negative prices are real prices.
"""
