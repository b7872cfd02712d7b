"""FAISS: exact search by a second way, rank lists, and approximate indexes."""
