"""One evaluation by several processes: each counts its share of the gallery."""
