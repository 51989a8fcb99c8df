"""Stadtgrund: a city's geodata infrastructure, extended into an open urban data platform."""

__version__ = "0.1.0"
