"""One clip under sliders: what is computed (`view`), drawn (`figures`) and turned (`widgets`)."""
