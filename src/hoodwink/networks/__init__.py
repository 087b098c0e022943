"""Networks as plain torch modules: normalised pictures in, logits out."""
