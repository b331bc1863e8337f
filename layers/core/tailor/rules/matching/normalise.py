"""One record as it can be compared: case, accents, scripts, formats and placeholders out of the way.

Every function is total: whatever text comes in, an empty string says that nothing usable is in it. What is missing is
``""`` everywhere, and what only looks like a value (``N/A``, ``test@test.com``, 1900-01-01, 00000) is missing too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tailor.rules.matching.scripts import fold

COLUMNS = (
    "record_id",
    "first_name",
    "middle_name",
    "last_name",
    "dob",
    "gender",
    "email",
    "phone",
    "street",
    "city",
    "state",
    "postcode",
    "country",
    "national_id",
    "occupation",
)
"""What a raw record may hold, by these names; all are text."""

_NO_VALUES = """
n/a|na|n.a.|none|null|nil|unknown|unkown|undefined|nan|test|tests|tester|testing|x|xx|xxx|xxxx|asdf|asdfgh|qwerty|first
last|firstname|lastname|first name|last name|name|surname|anonymous|anon|guest|customer|user|no name|noname|tbc|tbd|tba
not provided|not given|not known|not available|no data|missing|default|dummy|?|??|???|-|--|---|.|..|_|0|1
"""
NOTHING = frozenset({"", *_NO_VALUES.strip().replace("\n", "|").split("|")})
"""Texts that stand for no value, folded."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words("""
    mr mrs ms miss mx dr prof professor sir dame rev reverend hon herr frau mme mlle monsieur madame mister missus
    sra srta dona ing lic lord lady the mag dipl
""")
_SUFFIXES = {"jr": "jr", "jnr": "jr", "junior": "jr", "ii": "jr", "iii": "iii", "iv": "iv", "sr": "sr", "snr": "sr"}
_SUFFIXES |= {"senior": "sr"}
_RANK = re.compile(r"\d+(?:st|nd|rd|th)|baronet|bt|bart|esq|phd|md|mba")
_UNLETTERED = re.compile(r"[^\w ]+|_")


@lru_cache(1 << 16)
def name(text: str) -> tuple[str, str]:
    """(words of a name, ``jr``, ``sr``, ``iii``, ``iv`` or ``""``); titles are dropped."""
    folded = fold(text)
    if folded in NOTHING:
        return "", ""
    folded = folded.replace("'", "").replace(".", " ").replace("-", " ")
    words = _UNLETTERED.sub(" ", folded).split()
    if " ".join(words) in NOTHING or not any(c.isalpha() for c in folded):
        return "", ""
    suffix = ""
    while len(words) > 1 and words[-1] in _SUFFIXES:
        suffix = _SUFFIXES[words.pop()]
    while len(words) > 1 and _RANK.fullmatch(words[-1]):
        words.pop()
    while words and (words[0] in _TITLES or _RANK.fullmatch(words[0])):
        words.pop(0)
    return " ".join(words), suffix


# ---- e-mail

Kind = Literal["", "personal", "role"]
_SLIPS = {
    slip: domain
    for domain, slips in {
        "gmail.com": "gmial.com gmai.com gmail.co gamil.com gmail.con gmal.com gmaill.com gnail.com gmail.cm gmail.om "
        "gmsil.com gmil.com gmail.comm gmail.cmo gmaul.com gmqil.com googlemail.con goglemail.com",
        "yahoo.com": "yaho.com yahoo.co yhaoo.com yahoo.con yahooo.com yhoo.com yahoo.cm yaoo.com",
        "hotmail.com": "hotmial.com hotmal.com hotmail.co hotmail.con hotmai.com hotmil.com homail.com hotmail.cm",
        "outlook.com": "outlok.com outllook.com outlook.co outlook.con outloo.com outlook.cm",
        "icloud.com": "iclod.com icloud.co icloud.con icoud.com",
        "aol.com": "aol.con aol.co",
    }.items()
    for slip in slips.split()
}
_SAME_DOMAIN = {"googlemail.com": "gmail.com", "ya.ru": "yandex.ru", "pm.me": "protonmail.com"}
_ROLES = _words("""
    info sales support admin administrator contact kontakt contacto office hello help noreply no-reply donotreply
    webmaster postmaster hostmaster abuse billing accounts accounting enquiries inquiries team mail marketing hr
    jobs careers orders order service services reception shop store press media news newsletter privacy security
    feedback booking bookings reservations customerservice kundenservice buero ventas comercial contabilidad
""")
_PLACEHOLDERS = _words("""
    test none noemail no-email no na nobody anonymous asdf abc example email user customer guest unknown notprovided
    noemailaddress a x xx xxx null void nomail fake
""")
_NOWHERE = _words("""
    test.com test.de test.fr test.org example.com example.org example.net none.com na.com noemail.com nomail.com
    email.test domain.com mailinator.com abc.com asdf.com fake.com xxx.com aaa.com guerrillamail.com
    10minutemail.com yopmail.com trashmail.com tempmail.com
""")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}")


def email(text: str) -> tuple[str, str, str, Kind]:
    """(address, mailbox, domain, kind) in the form in which all spellings of one mailbox are equal.

    Plus-tags are dropped everywhere and dots at Gmail; the commonest misspelt domains are mended. Placeholders
    and the domains of throw-away addresses are no address at all. ``role``: not one person's (``info@``).
    """
    address = fold(text).strip(" <>\"'.,;").removeprefix("mailto:")
    if not _ADDRESS.fullmatch(address):
        return "", "", "", ""
    mailbox, _, domain = address.rpartition("@")
    domain = _SLIPS.get(domain, domain)
    domain = _SAME_DOMAIN.get(domain, domain)
    mailbox = mailbox.partition("+")[0] or mailbox
    if domain == "gmail.com":
        mailbox = mailbox.replace(".", "") or mailbox
    if domain in _NOWHERE or domain.endswith((".test", ".invalid", ".example", ".localhost")):
        return "", "", "", ""
    if mailbox in _PLACEHOLDERS and (len(mailbox) > 4 or mailbox == "none"):
        return "", "", "", ""
    return f"{mailbox}@{domain}", mailbox, domain, "role" if mailbox in _ROLES else "personal"


def spelled(mailbox: str, first: str, last: str) -> tuple[str, str]:
    """(first, last): missing ones guessed from the mailbox ``joe.mitchell``, or ``joemitchell`` of a Mitchell.

    What is known stays, and ``""`` where the mailbox says nothing.
    """
    if (first and last) or not mailbox:
        return first, last
    words = [word for word in re.split(r"[._\-0-9]+", mailbox) if word]
    if not all(word.isalpha() for word in words):
        return first, last
    if not first and not last:
        return (words[0], words[1]) if len(words) == 2 and min(map(len, words)) >= 3 else ("", "")
    known = (first or last).replace(" ", "")
    if len(words) == 2 and known in words:
        guess = words[1 - words.index(known)]
    elif len(words) == 1 and words[0].startswith(known) and first:
        guess = words[0][len(known) :]
    elif len(words) == 1 and words[0].endswith(known) and last:
        guess = words[0][: -len(known)]
    else:
        return first, last
    if len(guess) < 3:
        return first, last
    return (first, guess) if first else (guess, last)


# ---- phone


@dataclass(frozen=True, slots=True)
class _Plan:
    """Numbers of a country: calling code, trunk prefix, fewest and most digits of a national number."""

    code: str
    trunk: str
    fewest: int
    most: int


_PLANS = {
    country: _Plan(code, trunk.strip("-"), int(fewest), int(most))
    for country, code, trunk, fewest, most in (
        line.split()
        for line in """
        US 1 1 10 10|CA 1 1 10 10|GB 44 0 9 10|UK 44 0 9 10|IE 353 0 8 9|DE 49 0 6 11|AT 43 0 7 12|CH 41 0 9 9
        FR 33 0 9 9|BE 32 0 8 9|NL 31 0 9 9|LU 352 - 6 9|ES 34 - 9 9|PT 351 - 9 9|IT 39 - 8 11|GR 30 - 10 10
        PL 48 - 9 9|CZ 420 - 9 9|SK 421 0 9 9|HU 36 06 8 9|RO 40 0 9 9|BG 359 0 8 9|HR 385 0 8 9|RS 381 0 8 9
        SI 386 0 8 8|UA 380 0 9 9|RU 7 8 10 10|KZ 7 8 10 10|BY 375 8 9 9|LT 370 8 8 8|LV 371 - 8 8|EE 372 - 7 8
        SE 46 0 7 10|NO 47 - 8 8|DK 45 - 8 8|FI 358 0 6 11|IS 354 - 7 7|TR 90 0 10 10|IL 972 0 8 9|AE 971 0 8 9
        SA 966 0 8 9|EG 20 0 8 10|MA 212 0 9 9|ZA 27 0 9 9|NG 234 0 8 10|KE 254 0 9 9|IN 91 0 10 10|PK 92 0 9 10
        BD 880 0 8 10|CN 86 0 10 11|JP 81 0 9 10|KR 82 0 8 10|TW 886 0 8 9|HK 852 - 8 8|SG 65 - 8 8|MY 60 0 8 10
        TH 66 0 8 9|VN 84 0 9 10|PH 63 0 8 10|ID 62 0 8 12|AU 61 0 9 9|NZ 64 0 8 10|BR 55 0 10 11|MX 52 - 10 10
        AR 54 0 10 11|CL 56 - 9 9|CO 57 - 10 10|PE 51 0 8 9
        """.strip()
        .replace("\n", "|")
        .split("|")
    )
}
_EXTENSION = re.compile(r"\s*(?:ext|x|#)\.?\s*\d+\s*$", re.IGNORECASE)
_RUNS = ("0123456789", "1234567890", "9876543210", "123123123", "12341234")


@lru_cache(1 << 16)
def phone(text: str, country: str = "") -> str:
    """``+`` and digits where the number or ``country`` (ISO 3166, two letters) tells the calling code, else digits.

    Extensions are dropped. Too short, too long, or typed to fill a field (one or two digits over and over, a run):
    nothing.
    """
    text = _EXTENSION.sub("", fold(text))
    digits = "".join(c for c in text if c.isdecimal())
    significant = digits.lstrip("0")
    if not 6 <= len(digits) <= 17 or len(set(significant)) <= 2 or any(significant[:9] in run for run in _RUNS):
        return ""
    plan = _PLANS.get(country.strip().upper())
    if text.lstrip("( ").startswith("+") or (digits.startswith("00") and len(digits) > 10):
        digits = digits.removeprefix("00")
        if plan and digits.startswith(plan.code):
            national = digits[len(plan.code) :]
            if plan.trunk and national.startswith(plan.trunk) and len(national) > plan.most:
                digits = plan.code + national.removeprefix(plan.trunk)
        return "+" + digits
    if plan is None:
        return digits
    bare = digits.removeprefix(plan.trunk)
    if plan.trunk and len(bare) < len(digits) and plan.fewest <= len(bare) <= plan.most:
        return f"+{plan.code}{bare}"
    if plan.fewest <= len(digits) <= plan.most:
        return f"+{plan.code}{digits}"
    if digits.startswith(plan.code) and plan.fewest <= len(digits) - len(plan.code) <= plan.most:
        return "+" + digits
    return digits


# ---- dates, places, numbers

_MONTH_NAMES = """
jan january januar janvier enero gennaio|feb february februar fevrier febrero febbraio|mar march marz maerz mars marzo
apr april avril abril aprile|may mai mayo maggio|jun june juni juin junio giugno|jul july juli juillet julio luglio
aug august aout agosto|sep sept september septembre septiembre settembre|oct october oktober octobre octubre okt ottobre
nov november novembre noviembre|dec december dezember decembre diciembre dez dicembre
"""
_MONTHS = {
    month: f"{number:02d}"
    for number, months in enumerate(_MONTH_NAMES.strip().replace("\n", "|").split("|"), 1)
    for month in months.split()
}
_NEVER_BORN = frozenset({"19000101", "19700101", "19010101", "18000101", "00010101", "11111111", "99991231"})
_AMERICANS = frozenset({"US", "PH"})


@lru_cache(1 << 16)
def birth(text: str, country: str = "") -> str:
    """Eight digits YYYYMMDD, unknown ones as ``?``; a slip that makes no date (month 21) is kept as it was typed.

    Any order and separator; 3/7/1984 begins with the month in America and with the day elsewhere. Dates that forms
    fill in by themselves are nothing.
    """
    folded = fold(text)
    words = [_MONTHS.get(word, word) for word in re.findall(r"[a-z]+|\d+", folded)]
    numbers = [word for word in words if word.isdecimal()]
    if len(numbers) == 1 and len(numbers[0]) == 8:
        whole = numbers[0]
        day_first = not whole.startswith(("18", "19", "20")) and whole[4:6] in ("18", "19", "20")
        date = whole[4:] + whole[2:4] + whole[:2] if day_first else whole
    elif len(numbers) >= 3 and len(numbers[0]) == 4:
        date = numbers[0] + numbers[1].zfill(2)[:2] + numbers[2].zfill(2)[:2]
    elif len(numbers) == 2 and len(numbers[0]) == 4 and len(numbers[1]) == 4:
        date = numbers[0] + numbers[1]
    elif len(numbers) >= 3 and len(numbers[2]) == 4:
        day, month = numbers[0].zfill(2), numbers[1].zfill(2)
        if any(word in _MONTHS for word in re.findall("[a-z]+", folded)):
            month_first = folded[:1].isalpha()
        else:
            month_first = int(month) > 12 or (country.strip().upper() in _AMERICANS and int(day) <= 12)
        if month_first:
            day, month = month, day
        date = numbers[2] + month[:2] + day[:2]
    elif len(numbers) == 2 and len(numbers[0]) == 4:
        date = numbers[0] + numbers[1].zfill(2)[:2] + "??"
    elif len(numbers) == 1 and len(numbers[0]) == 4:
        date = numbers[0] + "????"
    else:
        return ""
    return "" if date in _NEVER_BORN or date.startswith("0000") else date


_WORDS = dict(
    pair.split("=")
    for pair in _words("""
    street=st saint=st road=rd avenue=ave av=ave avenida=ave lane=ln drive=dr court=ct place=pl platz=pl
    boulevard=blvd square=sq terrace=tce ter=tce crescent=cres cresent=cres circuit=cct circle=cir close=cl parade=pde
    parkway=pkwy highway=hwy apartment=apt unit=apt flat=apt suite=apt ste=apt room=apt rm=apt floor=fl fort=ft
    mount=mt north=n south=s east=e west=w northeast=ne northwest=nw southeast=se southwest=sw strasse=str calle=c
    rue=r via=v ulica=ul ulitsa=ul
""")
)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
_GLUED = re.compile(r"^(\d+)\s*([a-z]{3,})")


@lru_cache(1 << 16)
def street(text: str) -> tuple[str, str]:
    """(words of a street, its numbers), abbreviations as one: ``"50 Larkfield Road"`` → ``("larkfield rd", "50")``."""
    folded = fold(text)
    if folded in NOTHING:
        return "", ""
    folded = _GLUED.sub(lambda m: m[0] if _ORDINAL.match(m[0]) else f"{m[1]} {m[2]}", folded)
    folded = folded.replace("strasse", "str ").replace("str.", "str ").replace("'", "")
    tokens = [_WORDS.get(word, word) for word in re.findall(r"[^\W_]+", folded)]
    numbers = [word for word in tokens if word[0].isdecimal() and not _ORDINAL.fullmatch(word)]
    words = [word for word in tokens if not word[0].isdecimal() or _ORDINAL.fullmatch(word)]
    return " ".join(words), " ".join(numbers)


@lru_cache(1 << 16)
def code(text: str) -> str:
    """Letters and digits of a postcode or a number; one digit over and over is nothing."""
    folded = fold(text)
    kept = "".join(c for c in folded if c.isalnum())
    return "" if folded in NOTHING or len(kept) < 2 or (len(set(kept)) == 1 and kept[0] in "019x") else kept


# ---- a record


@dataclass(slots=True)
class Record:
    """One record in comparable form; ``guessed`` names are not given but read from the mailbox."""

    id: str
    first: str
    middle: str
    last: str
    suffix: str
    birth: str
    gender: str
    email: str
    mailbox: str
    domain: str
    role: str
    phone: str
    house: str
    street: str
    dwelling: str
    city: str
    postcode: str
    national: str
    occupation: str
    guessed: str


def normalise(raw: Mapping[str, str | None]) -> Record:
    """A raw record, keyed by :data:`COLUMNS` (missing ones are empty), as a :class:`Record`.

    Raises
    ------
    KeyError : there is no ``record_id``.
    """

    def text(column: str) -> str:
        return raw.get(column) or ""

    first, suffix = name(text("first_name"))
    last, ending = name(text("last_name"))
    if first and not last and " " in first:
        first, _, last = first.rpartition(" ")
    address, mailbox, domain, kind = email(text("email"))
    guess = spelled(mailbox if kind == "personal" else "", first, last)
    guessed = ("" if first else "first") if guess[0] != first else ""
    guessed += ("" if last else "last") if guess[1] != last else ""
    gender = fold(text("gender"))[:1]
    words, numbers = street(text("street"))
    country = text("country")
    return Record(
        id=str(raw["record_id"]),
        first=guess[0],
        middle=name(text("middle_name"))[0],
        last=guess[1],
        suffix=suffix or ending,
        birth=birth(text("dob"), country),
        gender=gender if gender in ("m", "f") else "",
        email=address,
        mailbox=mailbox,
        domain=domain,
        role="role" if kind == "role" else "",
        phone=phone(text("phone"), country),
        house=numbers,
        street=words,
        dwelling=f"{words} {numbers}" if words and numbers else "",
        city=name(text("city"))[0],
        postcode=code(text("postcode")),
        national=code(text("national_id")),
        occupation=name(text("occupation"))[0],
        guessed=guessed,
    )
