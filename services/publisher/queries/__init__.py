"""The SQL of the publisher, one query per function, by subject. Everything that handles batches works on arrays."""
