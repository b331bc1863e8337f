"""The only modules that touch AWS or the environment."""

import gc

# A cold start makes a hundred thousand objects that all stay; looking through them over and over for garbage is a
# sixth of its CPU. Handlers make little garbage that counting references does not free.
gc.set_threshold(50_000, 20, 100)
