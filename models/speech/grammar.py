"""Sentences of a small language: alerts, readings, numbers, commands and small talk.

A grammar of alternatives, so that the same rules make sentences to train on, sentences to judge by,
and the grammar that another recognizer is given. All words are lower case.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator

#: Name of a rule -> its alternatives: words, and `<names>` of rules.
RULES: dict[str, tuple[str, ...]] = {
    "sentence": (
        "<alert>", "<alert>", "<alert>", "<reading>", "<reading>", "<command>", "<command>",
        "<talk>", "<count>", "<question>",
    ),
    "alert": (
        "<level> <quantity> on <place> is <state>",
        "<level> <place> is <condition>",
        "<level> <quantity> of <place> reached <number> <unit>",
        "<place> has been <condition> for <number> <span>",
        "<level> <fault> at <place>",
        "<fault> in <area> please check <place>",
        "<quantity> on <place> is <number> <unit> above the limit",
        "<quantity> on <place> is <number> <unit> below the limit",
        "anomaly on <place> score <digit> point <digit>",
        "no data from <place> for <number> <span>",
    ),
    "reading": (
        "<quantity> is <number> <unit>",
        "<place> reads <number> point <digit> <unit>",
        "<quantity> on <place> went from <number> to <number> <unit>",
        "the <quantity> in <area> is <state>",
        "<place> is at <number> percent",
        "average <quantity> over <number> <span> is <number> <unit>",
    ),
    "command": (
        "<verb> <place>",
        "<verb> <place> now",
        "please <verb> <place> in <number> <span>",
        "set <quantity> of <place> to <number> <unit>",
        "<verb> the <machine> in <area>",
        "show <quantity> of <place>",
        "open the door of <area>",
        "close the door of <area>",
        "turn the light in <area> <switch>",
        "call <person> in <area>",
        "repeat the last <message>",
        "send a <message> to <person>",
        "cancel the <message>",
        "go to <area> and <verb> <place>",
    ),
    "question": (
        "what is the <quantity> of <place>",
        "what is the <quantity> in <area>",
        "is <place> <condition>",
        "how many <things> are in <area>",
        "when did <place> last <verb>",
        "who is in <area> <day>",
        "why is <place> <condition>",
        "where is <person>",
    ),
    "talk": (
        "good <daytime> <person>", "hello <person> how are you", "thank you very much",
        "thank you <person>", "i am <mood> today", "we are <mood> <day>", "see you <day>",
        "have a nice <day>", "that is all for <day>", "yes that is right", "no that is wrong",
        "can you hear me <person>", "i can not hear you", "please say that again",
        "one moment please", "i will be back in <number> <span>", "it is <number> past <digit>",
        "the weather is <weather> <day>", "lunch is at <digit> <day>", "wait for <person>",
    ),
    "count": (
        "<digit> <digit> <digit> <digit>", "<number>", "<number> <things>",
        "<number> <things> in <area>", "<hundred>", "number <digit> <digit> <digit>",
        "<hundred> <unit>", "line <letterword> <digit> <digit>",
    ),
    "level": ("warning", "alarm", "critical", "attention", "notice", "emergency"),
    "quantity": (
        "pressure", "temperature", "flow", "speed", "level", "voltage", "current", "vibration",
        "humidity", "power", "weight", "load",
    ),
    "machine": (
        "pump", "valve", "motor", "tank", "boiler", "fan", "turbine", "sensor", "camera", "engine",
        "heater", "filter", "compressor", "generator", "conveyor", "robot", "crane", "battery",
    ),
    "place": (
        "<machine> <number>", "<machine> <digit>", "<machine> <letterword>", "the <side> <machine>",
        "<machine> <digit> <side>",
    ),
    "area": (
        "the kitchen", "the hall", "the yard", "building <digit>", "room <number>", "the garage",
        "the office", "the north wing", "the control room", "the basement", "gate <digit>",
        "the warehouse", "the laboratory", "sector <letterword>",
    ),
    "side": ("left", "right", "front", "rear", "upper", "lower", "north", "south", "east", "west"),
    "state": (
        "high", "low", "normal", "too high", "too low", "rising", "falling", "stable", "unknown",
        "out of range", "very high", "very low",
    ),
    "condition": (
        "hot", "cold", "blocked", "open", "closed", "leaking", "offline", "online", "running",
        "stopped", "full", "empty", "broken", "ready", "silent", "overheated",
    ),
    "fault": (
        "fire", "smoke", "water leak", "gas leak", "short circuit", "power failure", "oil leak",
        "door open", "motion detected", "unknown person", "network failure", "broken belt",
    ),
    "verb": (
        "start", "stop", "restart", "check", "reset", "open", "close", "clean", "test", "repair",
        "inspect", "lock", "unlock", "move", "fill", "drain",
    ),
    "switch": ("on", "off"),
    "person": (
        "anna", "peter", "maria", "john", "the operator", "the engineer", "the doctor", "sarah",
        "the guard", "doctor brown", "mister green", "lisa",
    ),
    "message": ("message", "report", "alarm", "order", "question", "answer", "warning"),
    "things": (
        "boxes", "people", "cars", "trucks", "bottles", "parts", "alarms", "orders", "tickets",
        "bags",
    ),
    "day": ("today", "tomorrow", "on monday", "on tuesday", "on wednesday", "on thursday",
            "on friday", "on saturday", "on sunday", "tonight", "next week"),
    "daytime": ("morning", "afternoon", "evening", "night"),
    "mood": ("fine", "tired", "happy", "ready", "late", "busy"),
    "weather": ("sunny", "cloudy", "cold", "warm", "windy", "rainy"),
    "unit": (
        "degrees", "bar", "percent", "volts", "amperes", "liters", "meters", "kilograms", "watts",
        "kilometers", "liters per minute", "meters per second",
    ),
    "span": ("seconds", "minutes", "hours", "days"),
    "digit": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "ten": ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
    "teen": (
        "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
        "eighteen", "nineteen",
    ),
    "number": ("<digit>", "<digit>", "<teen>", "<ten>", "<ten> <digit>", "<ten> <digit>"),
    "hundred": ("<digit> hundred", "<digit> hundred <number>", "<digit> thousand <number>"),
    "letterword": ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"),
}  # fmt: skip
_NAME = re.compile(r"<(\w+)>")


def sentence(random_source: random.Random, rule: str = "sentence") -> str:
    """Return a random sentence: each rule takes each of its alternatives with the same chance."""
    chosen = random_source.choice(RULES[rule])
    return _NAME.sub(lambda match: sentence(random_source, match[1]), chosen)


def sentences(seed: int) -> Iterator[str]:
    """Yield different sentences without end, the same for the same seed."""
    source, seen = random.Random(seed), set()
    while True:
        text = sentence(source)
        if text not in seen:
            seen.add(text)
            yield text


def is_held_out(text: str) -> bool:
    """Return whether a sentence is only for judging: one in eight, by its hash."""
    return hashlib.sha256(text.encode()).digest()[0] < 32


def training_sentences(seed: int, number: int) -> list[str]:
    """Return different sentences that are not held out."""
    kept = (text for text in sentences(seed) if not is_held_out(text))
    return [next(kept) for _ in range(number)]


def held_out_sentences(seed: int, number: int) -> list[str]:
    """Return different sentences that are held out: none of them was trained on."""
    kept = (text for text in sentences(seed) if is_held_out(text))
    return [next(kept) for _ in range(number)]


def words() -> list[str]:
    """Return every word of the grammar, sorted."""
    found = {
        word
        for alternatives in RULES.values()
        for alternative in alternatives
        for word in _NAME.sub(" ", alternative).split()
    }
    return sorted(found)


def as_jsgf() -> str:
    """Return the grammar in the JSpeech Grammar Format, for recognizers that are given one."""
    lines = ["#JSGF V1.0;", "grammar penstock;"]
    for name, alternatives in RULES.items():
        scope = "public " if name == "sentence" else ""
        distinct = dict.fromkeys(alternatives)
        lines.append(f"{scope}<{name}> = {' | '.join(f'({a})' for a in distinct)};")
    return "\n".join(lines) + "\n"
