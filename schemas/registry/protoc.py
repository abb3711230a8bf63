"""Compile the text of a Protobuf schema to descriptors with Google's own compiler.

It runs in a child process, in a folder that holds nothing but the schema and what it imports: a
schema can't reach other files, and a fault of the compiler can't end the worker. No code is made.
"""

from __future__ import annotations

import base64
import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError as ProtobufError

from schemas.registry.registered import RegisteredSchema, UnusableSchemaError

#: The schema's own file; what it imports has the names of its references.
FILE = "penstock-schema.proto"

_NAME = re.compile(r"(?!/)(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,250}")
_GOOGLES = "google/protobuf/"
_SECONDS = 60.0
_IS_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
#: Google's files that import no others.
_WELL_KNOWN = tuple(
    f"{_GOOGLES}{name}.proto"
    for name in ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
)


def compile_descriptors(schema: RegisteredSchema) -> FileDescriptorSet:
    """Return the descriptors of a schema and all it imports, imported files first.

    Raises:
        UnusableSchemaError: it is not a Protobuf schema, or imports what the registry lacks.
    """
    if _IS_BASE64.fullmatch(schema.text):
        return _decoded(schema)
    with tempfile.TemporaryDirectory(prefix="penstock-protoc-") as folder:
        root = Path(folder) / "schemas"
        for name, text in (*schema.references, (FILE, schema.text)):
            if not name.startswith(_GOOGLES):  # the compiler has those
                _write(root, name, text)
        out = Path(folder) / "descriptors"
        _run(root, out)
        return FileDescriptorSet.FromString(out.read_bytes())


def _decoded(schema: RegisteredSchema) -> FileDescriptorSet:
    """Return the descriptors of a schema that is registered as a compiled file in base64.

    Some of Confluent's serializers (Python, .NET) register schemas so.
    """
    files = FileDescriptorSet()
    names: set[str] = set()
    for name, text in (*schema.references, (FILE, schema.text)):
        try:
            file = FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
        except (ValueError, ProtobufError) as error:
            raise UnusableSchemaError(f"not a Protobuf schema: {name}: {error}") from None
        file.name = name
        for needed in [n for n in file.dependency if n.startswith(_GOOGLES) and n not in names]:
            names.add(needed)
            files.file.append(_googles(needed))
        files.file.append(file)
    return files


def _googles(name: str) -> FileDescriptorProto:
    if name not in _WELL_KNOWN:
        raise UnusableSchemaError(f"it imports {name}: expected one of {', '.join(_WELL_KNOWN)}")
    module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    file = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def _write(root: Path, name: str, text: str) -> None:
    if not _NAME.fullmatch(name):
        raise UnusableSchemaError(f"the name of a reference is not a file's: {name[:100]!r}")
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _run(root: Path, out: Path) -> None:
    import grpc_tools

    googles = Path(grpc_tools.__file__).parent / "_proto"
    command = [sys.executable, "-I", "-m", "grpc_tools.protoc", f"-I{root}", f"-I{googles}"]
    command += ["--include_imports", f"--descriptor_set_out={out}", FILE]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnusableSchemaError(f"compiling took longer than {_SECONDS:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.replace(f"{FILE}:", "line ").strip().splitlines()
        raise UnusableSchemaError(f"not a Protobuf schema: {' | '.join(lines)[:300]}")
