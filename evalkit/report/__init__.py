"""Notebooks run by papermill, and the pages made of them."""
