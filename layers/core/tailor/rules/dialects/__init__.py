"""One template, every ESP: a template said in the language of another sender.

What a language cannot say is refused with its line and what to do instead. What it cannot work out by itself it is
handed: a *flag* is a condition answered beforehand, by the send-time attributes of ``GET /attributes`` or by the
audience that is pushed. The call to action is such a value too, for its rules look at what no other sender knows.
"""

from tailor.rules.dialects.compiling import Flag, Said, say
from tailor.rules.dialects.languages import LANGUAGES

__all__ = ["LANGUAGES", "Flag", "Said", "say"]
