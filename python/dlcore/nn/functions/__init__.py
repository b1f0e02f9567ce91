"""Functions of ``dlcore.nn.functional`` that are compositions of the core's."""
