"""Choosing indexes for a whole workload: the parts of ``analyzer.advice.select``. Sets of indexes are bit masks."""
