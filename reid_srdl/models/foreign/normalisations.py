"""How foreign networks take their pixels. Imports no torch."""

from __future__ import annotations

from reid_srdl.models.changes.normalised import Normalised

IMAGENET = Normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
