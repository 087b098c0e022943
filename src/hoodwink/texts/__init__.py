"""Texts as numbers: files read, letters and words given indices, vectors of words, batches of unequal length."""
