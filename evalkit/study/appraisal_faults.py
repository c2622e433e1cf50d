"""Answers to questions that no instrument asks."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from evalkit.errors import Fault
from evalkit.study.appraisal import KNOWN
from evalkit.study.text import Tree


def appraisal_faults(_parts: dict[str, Any], tree: Tree) -> list[Fault]:
    """Every unknown question, item or domain, read from the text, so that no other fault hides one."""
    block = tree.value.get("appraisal")
    if not isinstance(block, dict):
        return []
    out = []
    for section, named in KNOWN.items():
        given = block.get(section)
        known = [key for key, _ in named]
        for key in given if isinstance(given, dict) else ():
            if key not in known:
                where = tree.where(("appraisal", section, key))
                out.append(Fault(f"`appraisal.{section}` has no `{key}`", where, _suggest(key, known)))
    return out


def _suggest(given: str, known: list[str]) -> str:
    close = get_close_matches(given, known, n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(known)}"
