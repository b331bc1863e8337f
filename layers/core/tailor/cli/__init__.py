"""The ``tailor`` command: a programme folder in, answers about people out; it speaks to a deployment by HTTP alone."""
