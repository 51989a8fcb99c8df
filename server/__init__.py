"""The HTTP host: OGC APIs over a profile's database role.

pygeoapi is the model of the API and the host of plugins; items and tiles are answered by handlers of our own.
"""

__all__: list[str] = []
