import pytest
from ae_files import REFERENCE

from evalkit.sources.successions import load


@pytest.fixture(scope="session")
def reference_successions():
    return load(REFERENCE / "organisation_successions.csv")
