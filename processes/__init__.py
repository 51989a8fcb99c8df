"""Processes over what is known of a place; they read through a profile's role and see what that profile sees."""
