"""A run folder as pages that open without a network: what `dance site` makes."""
