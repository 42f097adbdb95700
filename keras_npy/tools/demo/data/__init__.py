"""A sample of Fashion-MNIST, for the demo."""
