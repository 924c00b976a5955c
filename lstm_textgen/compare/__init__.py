"""Cells under equal terms: trained, measured, and kept piece by piece."""
