"""Who is who, probably: records compared field by field, weighed as evidence and gathered into people.

::

    normalise ──▶ table ──▶ blocking ──▶ compare ──▶ weights ──▶ evidence ──▶ clusters
      Record      columns    pairs        levels      log odds    what may     people
                                                                  be joined

:func:`tailor.rules.matching.engine.resolve` runs all of it. Everything here is pure: no I/O, no clock, and the same
answer in whatever order the records come. It needs numpy and rapidfuzz, so nothing that starts a hot function may
import it.
"""
