"""Image search: what is in a store of embeddings, the index that is rebuilt from it, and the folders that it is kept up with."""
