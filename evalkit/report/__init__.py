"""Notebooks run by papermill, and the pages made of them."""

import sys

# nbformat brings a validator of international addresses along, which builds 35 parsers when it is imported: a second
# of processor time for a format that no notebook's schema asks for. Without it the validator does without.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
