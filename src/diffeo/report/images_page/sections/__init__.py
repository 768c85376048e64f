"""The sections of the page on a model of images."""
