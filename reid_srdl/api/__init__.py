"""What Python offers beyond the rooms' functions: a run as an object, training with progress."""
