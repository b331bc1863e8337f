"""The only modules that touch AWS or the environment."""
