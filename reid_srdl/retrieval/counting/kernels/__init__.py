"""Where blocks of estimated distances come from: one file a library, and the choice among them."""
