"""Strings of consent signals as bits: base64url of six bits a character, whole numbers, ranges, Fibonacci codes."""

from __future__ import annotations

from tailor.kernel.errors import Rejected

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BITS = {character: f"{index:06b}" for index, character in enumerate(_ALPHABET)}
SECTIONS, VENDORS = 4_096, 65_535
"""The highest ids there can be."""
LETTERS = 26
PADDING = 12
"""Bits with which whole bytes, and then whole characters, are filled up."""
LONGEST = 16_384
"""Characters of one signal; real ones have some hundred."""


def malformed(detail: str) -> Rejected:
    """The refusal of a signal that cannot be read."""
    return Rejected(f"{detail}: it is not read as consent", code="bad-signal")


class Bits:
    """Reads one segment from its first bit to its last.

    Raises
    ------
    Rejected : a character that is none of base64url, or (on reading) fewer bits than asked for.
    """

    def __init__(self, segment: str) -> None:
        if len(segment) > LONGEST:
            raise malformed(f"a signal of more than {LONGEST} characters is none")
        try:
            self._bits = "".join(_BITS[character] for character in segment)
        except KeyError as error:
            raise malformed(f"{str(error.args[0])[:1]!r} is no character of base64url") from None
        self._at = 0

    def take(self, size: int) -> str:
        """The next ``size`` bits."""
        taken = self._bits[self._at : self._at + size]
        if len(taken) < size:
            raise malformed("the signal is cut short")
        self._at += size
        return taken

    def left(self) -> int:
        """How many bits are still to be read."""
        return len(self._bits) - self._at

    def ends(self) -> bool:
        """Whether nothing follows but what fills up the last characters."""
        return self.left() <= PADDING and "1" not in self._bits[self._at :]

    def fork(self) -> Bits:
        """Another reader, at the same place."""
        other = Bits("")
        other._bits, other._at = self._bits, self._at
        return other

    def number(self, size: int) -> int:
        """A whole number, highest bit first."""
        return int(self.take(size), 2)

    def flag(self) -> bool:
        """One bit."""
        return self.take(1) == "1"

    def flags(self, size: int) -> list[bool]:
        """``size`` bits, each a yes or no."""
        return [bit == "1" for bit in self.take(size)]

    def letters(self, size: int) -> str:
        """Letters of six bits, ``A`` is 0."""
        numbers = [self.number(6) for _ in range(size)]
        if max(numbers) >= LETTERS:
            raise malformed("a language or country has what is no letter")
        return "".join(chr(ord("A") + number) for number in numbers)

    def instant(self) -> int:
        """Tenths of a second since 1970 in 36 bits, as milliseconds."""
        return self.number(36) * 100

    def chosen(self) -> list[int]:
        """Ids of vendors: the highest one, then a bit for each or, after a 1, ranges."""
        highest = self.number(16)
        if not self.flag():
            return [index for index, yes in enumerate(self.flags(highest), 1) if yes]
        found = self.ranges()
        if found and found[-1] > highest:
            raise malformed(f"the highest vendor is {highest}, and {found[-1]} is among them")
        return found

    def chosen_by_distance(self) -> list[int]:
        """As :meth:`chosen`, with ranges in Fibonacci coding."""
        highest = self.number(16)
        if not self.flag():
            return [index for index, yes in enumerate(self.flags(highest), 1) if yes]
        found = self.fibonacci_ranges(most=VENDORS)
        if found[-1:] != [highest]:
            raise malformed(f"the highest vendor is {highest}, and {found[-1] if found else 'none'} is the last")
        return found

    def ranges(self) -> list[int]:
        """Ids as (number of entries, each one id or the first and the last of several), in rising order."""
        found: list[int] = []
        for _ in range(self.number(12)):
            several, first = self.flag(), self.number(16)
            last = self.number(16) if several else first
            before = found[-1] if found else 0
            if not before < first <= last:
                raise malformed(f"a range from {first} to {last} runs backwards, after {before}")
            found += range(first, last + 1)
        return found

    def fibonacci(self) -> int:
        """A number in Fibonacci coding, which ends with two ones."""
        total, low, high, before = 0, 1, 2, False
        while True:
            bit = self.flag()
            if bit and before:
                return total
            total, low, high, before = total + (low if bit else 0), high, low + high, bit

    def fibonacci_ranges(self, most: int = SECTIONS) -> list[int]:
        """Ids up to ``most``, each told by its distance from the one before."""
        found: list[int] = []
        last = 0
        for _ in range(self.number(12)):
            several = self.flag()
            first = last + self.fibonacci()
            last = first + self.fibonacci() if several else first
            if last > most:
                raise malformed(f"there is no {last}")
            found += range(first, last + 1)
        return found
