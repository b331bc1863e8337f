"""One verb each: read, decide by the rules, write. Every flow may run twice."""
