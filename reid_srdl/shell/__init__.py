"""What every command is made with: options from the schema, help, forms of results, endings."""
