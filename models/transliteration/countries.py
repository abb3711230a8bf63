"""As whose name a text is read: the country in, or behind, a language tag."""

from __future__ import annotations

#: The country whose names are read for a language without one: where most of its places with
#: Chinese names are.
_OF_LANGUAGE = {
    "be": "BY",
    "bg": "BG",
    "ca": "ES",
    "cs": "CZ",
    "da": "DK",
    "de": "DE",
    "en": "US",
    "es": "ES",
    "et": "EE",
    "fi": "FI",
    "fr": "FR",
    "ga": "IE",
    "hr": "HR",
    "hu": "HU",
    "it": "IT",
    "lt": "LT",
    "lv": "LV",
    "ms": "MY",
    "nb": "NO",
    "nl": "NL",
    "no": "NO",
    "pl": "PL",
    "pt": "PT",
    "ro": "RO",
    "ru": "RU",
    "sk": "SK",
    "sr": "RS",
    "sv": "SE",
    "tr": "TR",
    "uk": "UA",
}


def country_of(language: str) -> str:
    """Return the ISO 3166 code of a BCP 47 tag's region, or of its language's home; "" for neither.

    `de-AT` gives `AT`, `de` gives `DE`, `sr-Latn-BA` gives `BA`.
    """
    first, *others = language.replace("_", "-").split("-")
    regions = (part.upper() for part in others if len(part) == 2 and part.isascii())
    return next(regions, _OF_LANGUAGE.get(first.lower(), ""))
