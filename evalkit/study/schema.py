"""The protocol's JSON Schema, so that an editor completes and checks a protocol while it is written."""

from __future__ import annotations

import json

from evalkit.study.protocol import Protocol

FILE = "protocol.schema.json"


def schema_text() -> str:
    """The schema as JSON text, stable from run to run."""
    schema = Protocol.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "evalkit protocol"
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
