"""Letters of other scripts in Latin ones, so that the same name written in two scripts reads alike."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_LATIN = {
    "ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŋ": "n",
    "ə": "a", "’": "'", "‘": "'", "ʻ": "'", "ʼ": "'", "`": "'", "´": "'", "–": "-", "—": "-", "‐": "-",
}  # fmt: skip
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
    "я": "ya", "і": "i", "ї": "yi", "є": "ye", "ґ": "g", "ў": "u", "ј": "j", "љ": "lj", "њ": "nj", "ћ": "c",
    "ђ": "dj", "џ": "dz", "ѓ": "g", "ќ": "k", "ѕ": "dz", "қ": "k", "ғ": "g", "ң": "n", "ө": "o", "ұ": "u",
    "ү": "u", "һ": "h", "ә": "a",
}  # fmt: skip
_GREEK = {
    "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k", "λ": "l",
    "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "y", "φ": "f",
    "χ": "ch", "ψ": "ps", "ω": "o",
}  # fmt: skip
_ARABIC = {
    "ا": "a", "أ": "a", "إ": "i", "آ": "a", "ب": "b", "پ": "p", "ت": "t", "ث": "th", "ج": "j", "چ": "ch", "ح": "h",
    "خ": "kh", "د": "d", "ذ": "dh", "ر": "r", "ز": "z", "ژ": "zh", "س": "s", "ش": "sh", "ص": "s", "ض": "d", "ط": "t",
    "ظ": "z", "ع": "a", "غ": "gh", "ف": "f", "ق": "q", "ك": "k", "ک": "k", "گ": "g", "ل": "l", "م": "m", "ن": "n",
    "ه": "h", "ة": "a", "و": "w", "ؤ": "w", "ي": "y", "ی": "y", "ى": "a", "ئ": "y", "ء": "",
}  # fmt: skip
_HEBREW = {
    "א": "a", "ב": "b", "ג": "g", "ד": "d", "ה": "h", "ו": "v", "ז": "z", "ח": "ch", "ט": "t", "י": "y", "כ": "k",
    "ך": "k", "ל": "l", "מ": "m", "ם": "m", "נ": "n", "ן": "n", "ס": "s", "ע": "a", "פ": "p", "ף": "f", "צ": "ts",
    "ץ": "ts", "ק": "k", "ר": "r", "ש": "sh", "ת": "t",
}  # fmt: skip
_GEORGIAN = dict(
    zip(
        "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
        str.split("a b g d e v z t i k l m n o p zh r s t u p k gh q sh ch ts dz ts ch kh j h"),
        strict=True,
    )
)
_ARMENIAN = dict(
    zip(
        "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
        str.split("a b g d e z e y t zh i l kh ts k h dz gh ch m y n sh o ch p j r s v t r ts v p k o f"),
        strict=True,
    )
)
_DEVANAGARI_VOWELS = dict(zip("अआइईउऊऋएऐओऔ", str.split("a a i i u u ri e ai o au"), strict=True))
_DEVANAGARI_SIGNS = dict(zip("ािीुूृेैोौंँः", str.split("a i i u u ri e ai o au n n h"), strict=True))
_DEVANAGARI = dict(
    zip(
        "कखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसह",
        str.split("k kh g gh n ch chh j jh n t th d dh n t th d dh n p ph b bh m y r l v sh sh s h"),
        strict=True,
    )
)
_VIRAMA, _NUKTA = "\u094d", "\u093c"
_KANA = dict(
    zip(
        "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん"
        "がぎぐげござじずぜぞだぢづでどばびぶべぼぱぴぷぺぽ",
        str.split(
            "a i u e o ka ki ku ke ko sa shi su se so ta chi tsu te to na ni nu ne no ha hi fu he ho ma mi mu me mo "
            "ya yu yo ra ri ru re ro wa o n ga gi gu ge go za ji zu ze zo da ji zu de do ba bi bu be bo "
            "pa pi pu pe po"
        ),
        strict=True,
    )
)
_SMALL_KANA = dict(zip("ぁぃぅぇぉゃゅょ", str.split("a i u e o ya yu yo"), strict=True))
_HANGUL_LEADS = str.split("g kk n d tt r m b pp s ss _ j jj ch k t p h")
_HANGUL_VOWELS = str.split("a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i")
_HANGUL_TAILS = str.split(". k k k n n n t l k m l l l p l m p p t t ng t t k t p t")
_TABLE = str.maketrans(_LATIN | _CYRILLIC | _GREEK | _ARABIC | _HEBREW | _GEORGIAN | _ARMENIAN)
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, 0x640])


@lru_cache(1 << 16)
def fold(text: str) -> str:
    """Lower case, Latin letters where a table knows them, no accents, single spaces; total and idempotent.

    ``"Дмитрий"`` → ``"dmitriy"``, ``"Núñez"`` → ``"nunez"``, ``"김민준"`` → ``"gimminjun"``. Ideographs stay as they
    are: how they read is not written in them.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold().translate(_TABLE)
    else:
        text = text.casefold()
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in _syllables(text))
        apart = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in apart if not unicodedata.combining(c)).casefold().translate(_TABLE)
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def _syllables(text: str) -> str:
    """Kana, Hangul and Devanagari, whose signs are read together with their neighbours."""
    out: list[str] = []
    for place, sign in enumerate(text):
        code = ord(sign)
        if 0x30A1 <= code <= 0x30F6:
            sign, code = chr(code - 0x60), code - 0x60
        if 0xAC00 <= code <= 0xD7A3:
            lead, rest = divmod(code - 0xAC00, 588)
            vowel, tail = divmod(rest, 28)
            out.append((_HANGUL_LEADS[lead] + _HANGUL_VOWELS[vowel] + _HANGUL_TAILS[tail]).strip("_.").replace("_", ""))
        elif sign in _KANA:
            out.append(_KANA[sign])
        elif sign in _SMALL_KANA:
            before = out.pop() if out else ""
            out.append((before[:-1] if before.endswith(("i", "u")) else before) + _SMALL_KANA[sign])
        elif sign in "っー":
            continue
        elif sign in _DEVANAGARI:
            after = text[place + 1 : place + 2]
            bare = after in _DEVANAGARI_SIGNS or after in (_VIRAMA, _NUKTA) or not after.strip()
            out.append(_DEVANAGARI[sign] + ("" if bare else "a"))
        elif sign in _DEVANAGARI_SIGNS:
            out.append(_DEVANAGARI_SIGNS[sign])
        elif sign in _DEVANAGARI_VOWELS:
            out.append(_DEVANAGARI_VOWELS[sign])
        elif sign not in (_VIRAMA, _NUKTA):
            out.append(sign)
    return "".join(out)


_CLASSES = str.maketrans({"c": "k", "q": "k", "z": "s", "w": "v", "j": "g", "x": "k"})
_ALIKE = {"1": "bpfvw", "2": "cgjkqsxz", "3": "dt", "4": "l", "5": "mn", "6": "r"}
_DIGITS = {letter: digit for digit, letters in _ALIKE.items() for letter in letters}
_FIRST = {"c": "k", "q": "k", "z": "s", "y": "i", "j": "i", "w": "v", "f": "v"}


@lru_cache(1 << 16)
def sound(name: str) -> str:
    """How the first word of a folded name begins to sound: a Soundex that knows more than English."""
    word = name.split(" ", 1)[0]
    if not word:
        return ""
    if len(word) > 2:
        for letters, one in (("ph", "f"), ("sch", "s"), ("th", "t"), ("kh", "k"), ("ch", "k")):
            word = word.replace(letters, one)
    spelled = _FIRST.get(word[0], word[0])
    before = _DIGITS.get(word[0], "")
    for letter in word[1:]:
        digit = _DIGITS.get(letter, "")
        if digit and digit != before:
            spelled += digit
        if letter not in "hw":
            before = digit
        if len(spelled) == 5:
            break
    return spelled


@lru_cache(1 << 16)
def skeleton(name: str) -> str:
    """Consonants in order, doubles and near-equals as one: ``mohammed`` and ``mhmd`` (from Arabic) → ``md``."""
    word = name.replace("ph", "f").replace("sch", "s").replace("sh", "s").replace("zh", "s").translate(_CLASSES)
    kept: list[str] = []
    for letter in word:
        if letter not in "aeiouyh '-" and (not kept or kept[-1] != letter):
            kept.append(letter)
    return "".join(kept)


def single(name: str) -> str:
    """Doubled letters as one: ``alissa`` → ``alisa``."""
    return "".join(letter for letter, before in zip(name, " " + name, strict=False) if letter != before)
