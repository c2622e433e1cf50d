"""Tell, honestly, whether an NHS improvement collaborative worked.

The road, one function an arrow: protocol -> Study -> Panel -> Estimate -> figure,
table, sentence -> notebook -> report. Nothing flows back. Importing this package
loads nothing heavy; each module imports what it needs.
"""

__version__ = "0.1.0"
