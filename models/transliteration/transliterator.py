"""Write names of Latin letters in Chinese characters, by their sound, with a transducer."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.base import Model
from models.content_hash import folder_content_version
from models.options import check_option
from models.transliteration.alphabet import normalize
from models.transliteration.countries import country_of
from models.transliteration.pronunciation import fold
from models.transliteration.saved import load
from schemas import InputError, TextMessage, Transliteration, TransliterationCandidate

if TYPE_CHECKING:
    from models.transducer.network import Transducer
    from models.transliteration.decoding import Candidate

#: Where `penstock train transliterator` has its weights copied to: see docs/transliteration.md.
DEFAULT_WEIGHTS = Path(__file__).parent / "weights"
_DECIMALS = 6
_MAX_LETTERS = 256
#: A longer text is not looked at behind them; more than letters, as most marks are no letters.
_MAX_CHARACTERS = 4096


class Transliterator(Model[TextMessage, Transliteration]):
    """Writes the name that is a message's text in simplified Chinese characters. Stateless.

    The whole text is read as one name: `Baden-Baden`, `San Marino`. Marks on letters count (`ö` is
    not `o`); digits, punctuation and emoji are left out. Its country is that of the message's
    `language`.

    Source: Graves, 2012, arXiv:1211.3711.
    """

    name = "transliterator"
    event_type = TextMessage
    result_type = Transliteration

    def __init__(
        self,
        weights: str | None = None,
        country: str = "",
        top_k: int = 3,
        beam: int = 4,
        max_letters: int = 64,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            weights: a folder that `penstock train transliterator` wrote; None: `weights/` beside
                this file, if it is there.
            country: ISO 3166 code for messages whose `language` gives none; "" for none.
            top_k: number of alternatives in a result, 0 to 100; fewer than `beam`.
            beam: hypotheses that are followed, 1 to 100. More are slower, and seldom better.
            max_letters: longer names are cut, 8 to 256.
        """
        self._folder = DEFAULT_WEIGHTS if weights is None else Path(weights).expanduser()
        self._country = country.upper()
        self._top_k = int(check_option("top_k", top_k, 0, 100))
        self._beam = int(check_option("beam", beam, 1, 100))
        self._max_letters = int(check_option("max_letters", max_letters, 8, _MAX_LETTERS))
        self._network: Transducer | None = None

    def load(self, device: str = "cpu") -> None:
        """Read the weights; `version` becomes a hash of them.

        Raises:
            ModelError: a file is absent, damaged, or of another network.
        """
        self._alphabet, self._network = load(self._folder)
        self.version = folder_content_version(self._folder)

    def warm_up(self) -> None:
        """Read one short and one long name."""
        self.predict_batch([TextMessage(text="Bonn"), TextMessage(text="Kassel " * 40)])

    def predict_batch(self, batch: Sequence[TextMessage]) -> list[Transliteration | InputError]:
        """Transliterate B names: answers in input order, each independent of the others.

        A text without a Latin letter, or with a letter of another script, is an `InputError`.
        """
        from models.transliteration.decoding import transliterate

        assert self._network is not None, "load() comes first"
        checked = [self._read(message) for message in batch]
        names = [name for name in checked if not isinstance(name, InputError)]
        found = iter(
            transliterate(
                self._network,
                self._alphabet,
                [(text[: self._max_letters], country) for text, country in names],
                width=self._beam,
            )
            if names
            else ()
        )
        return [
            name if isinstance(name, InputError) else self._answer(name, next(found))
            for name in checked
        ]

    def _read(self, message: TextMessage) -> tuple[str, str] | InputError:
        """Return the letters of a text, and its country as far as the network knows it."""
        start = " ".join(message.text.split())[:_MAX_CHARACTERS]
        if foreign := next((c for c in start if _is_foreign(c)), None):
            letter = unicodedata.name(foreign, f"U+{ord(foreign):04X}")
            return InputError(
                f"the text has the letter {letter}: expected a name in Latin letters only"
            )
        text = self._alphabet.clean(start)
        if not any(c.isalpha() for c in text):
            return InputError("the text has no letter: expected a name in Latin letters")
        country = country_of(message.language) or self._country
        return text, country if country in self._alphabet.countries else ""

    def _answer(
        self, name: tuple[str, str], candidates: list[Candidate]
    ) -> Transliteration | InputError:
        text, country = name
        if not candidates:
            return InputError(f"no characters are likely for the name {text!r}")
        best, *others = candidates
        return Transliteration(
            text=best.characters,
            score=round(best.score, _DECIMALS),
            alternatives=[
                TransliterationCandidate(c.characters, round(c.score, _DECIMALS))
                for c in others[: self._top_k]
            ],
            country=country,
            is_truncated=len(text) > self._max_letters,
        )

    def close(self) -> None:
        """Free the network."""
        self._network = None


def _is_foreign(character: str) -> bool:
    """Return whether a character is a letter, or half of one, that is not Latin."""
    if character.isascii() or not (character.isalpha() or "\ud800" <= character <= "\udfff"):
        return False
    plain = fold(normalize(unicodedata.normalize("NFKC", character)))
    return not all(c.isascii() for c in plain)
