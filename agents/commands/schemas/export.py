"""Write JSON Schema files and asyncapi.yaml into a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.commands.schemas.asyncapi import asyncapi_document
from agents.commands.schemas.flows import Flow
from agents.pipeline.yaml_lines import write_document
from schemas import EVENT_TYPES, RESULT_TYPES
from schemas.json_schema import json_schema, schema_file_name

ASYNCAPI_FILE = "asyncapi.yaml"


def export_files(flows: Sequence[Flow], version: str, folder: Path) -> list[Path]:
    """Write a file for each event and result type of Penstock and of the flows, and asyncapi.yaml.

    The same flows give the same bytes, so that the files can be kept in a repository.

    Args:
        flows: of the pipeline.
        version: of the contract.
        folder: created if it does not exist; files with the same names are replaced.

    Returns:
        The files written.

    Raises:
        OSError: the folder can't be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {schema_file_name(cls): _as_json(json_schema(cls)) for cls in _types(flows)}
    # The detour over JSON copies shared parts, which YAML would write as anchors and aliases.
    document = json.loads(json.dumps(asyncapi_document(flows, version)))
    texts[ASYNCAPI_FILE] = write_document(document)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _types(flows: Sequence[Flow]) -> list[type[Any]]:
    of_flows = [cls for flow in flows for cls in flow.types]
    return list(dict.fromkeys([*EVENT_TYPES.values(), *RESULT_TYPES.values(), *of_flows]))


def _as_json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
