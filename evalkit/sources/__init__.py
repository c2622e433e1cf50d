"""One publisher's files -> tidy rows. One module a source, found by its name.

A source module has `read_study(study) -> Tidy`.
"""

from __future__ import annotations

from importlib import import_module

from evalkit.errors import DataError
from evalkit.sources.tidy import SourceFile, Tidy
from evalkit.study import Study
from evalkit.study.study import missing_files

__all__ = ["SourceFile", "Tidy", "read"]


def read(study: Study) -> Tidy:
    """The tidy rows of a study's source. Raises DataError for files that are not there."""
    faults = missing_files(study)
    if faults:
        raise DataError(faults)
    tidy: Tidy = import_module(f"evalkit.sources.{study.protocol.source.reader}").read_study(study)
    return tidy
