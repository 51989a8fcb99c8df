"""Musterstadt: a generated German town, delivered as files the way offices deliver them."""
