"""Networks by hand: layers with their gradients, a classifier, its training and its fooling, in NumPy alone."""
