from __future__ import annotations

from models.evaluation import figures
from models.nlu.encoder import SentenceEncoder
from models.nlu.evaluate_zero_shot import rate_zero_shot

CLINC = [
    {"text": "will it rain in Rome tomorrow", "intent": "weather"},
    {"text": "tell me a joke", "intent": "tell_joke"},
    {"text": "how much money is in my bank account", "intent": "bank_balance"},
    {"text": "what is the derivative of x squared", "intent": "oos"},
]
SMS = [
    {"text": "WINNER!! You have won a cash prize of 1000, call now to claim it", "label": "spam"},
    {"text": "ok see you at home later, love you", "label": "ham"},
]


def test_figures_of_easy_texts_are_as_they_must_be(minilm: str) -> None:
    encoder = SentenceEncoder(minilm)
    encoder.load()
    found = figures(rate_zero_shot(CLINC, SMS, encoder))
    values = {name.rpartition(": ")[2]: value for name, value in found.items()}
    assert values["in-scope accuracy of 3 intents"] == 1
    assert values["out-of-scope AUROC"] == 1
    assert values["F1"] == 1
    # Turned around, they are wrong.
    wrong = [{**row, "label": "ham" if row["label"] == "spam" else "spam"} for row in SMS]
    assert figures(rate_zero_shot(CLINC, wrong, encoder)).popitem()[1] == 0
