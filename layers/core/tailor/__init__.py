"""Tailor: people, consent, segments, content, sending and measurement in one pure step.

Floors, lowest first; a module imports only from its own floor or below (checked by import-linter):

==========  =====================================================================================
kernel      plain data and its identities: errors, instants, keys, event, person, program
rules       decisions without I/O: identity, consent, segments, journeys, templates, messages, step
edges       the world: runtime (environment), store (DynamoDB), bus (SQS, EventBridge), mailer (SES)
sources     one file a vendor: bytes in, canonical events out
flows       one verb each: absorb, refresh, deliver, relay, ...
cli         the `tailor` command
==========  =====================================================================================
"""
