"""The operator's side: the command line, the embedded stack, the sample district."""
