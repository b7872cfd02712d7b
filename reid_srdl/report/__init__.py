"""What people read: tables, drawn from records alone."""
