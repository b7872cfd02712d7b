"""Memory: mapped files, the heap, and what threads use again and again."""
