"""hwsearch: measure your hardware, search an EfficientNet for it, scale it into a family, ship it as presets."""

__version__ = "0.1.0"
