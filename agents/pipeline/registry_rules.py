"""Check the `registry:` mapping, and that agents whose codec needs a registry have one."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from agents.pipeline.validation import Mistake
from streams.settings import REGISTRY_CODECS, PipelineSettings


def registry_mistakes(settings: PipelineSettings) -> Iterator[Mistake]:
    """Yield what is wrong with the schema registry. No message holds a value: it may be secret."""
    registry = settings.registry
    if registry is None:
        for name, agent in settings.agents.items():
            for key in ("codec", "output_codec", "dead_letter_codec"):
                if (codec := getattr(agent, key)) in REGISTRY_CODECS:
                    message = f"{codec} needs a schema registry: add `registry: {{url: ...}}`"
                    yield Mistake(("agents", name, key), message)
        return
    if problem := _url_problem(registry.url):
        yield Mistake(("registry", "url"), problem)
    if registry.token and registry.username:
        yield Mistake(("registry", "token"), "not with username: one login", is_about_key=True)
    for key, needed in (("password", "username"), ("key_file", "certificate_file")):
        if getattr(registry, key) and not getattr(registry, needed):
            yield Mistake(("registry", key), f"needs {needed}", is_about_key=True)


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_right = False
    if not is_right:
        return "expected a URL such as https://registry:8081"
    if "@" in parts.netloc:
        return "the login belongs in username and password (or token), where it is kept secret"
    return "expected a URL without ? and #" if parts.query or parts.fragment else ""
