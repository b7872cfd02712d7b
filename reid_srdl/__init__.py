"""Self-Referenced Deep Learning: train, evaluate and compare person re-identification networks."""

__version__ = "0.1.0"
