"""The verb demo: train, evaluate, save and serve a model of images."""
