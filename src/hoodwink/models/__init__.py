"""A network and its card make a model: what it takes, what it says, and how it is loaded."""
