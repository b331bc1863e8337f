"""Pure decisions about one person: no I/O, no clock, no environment."""
