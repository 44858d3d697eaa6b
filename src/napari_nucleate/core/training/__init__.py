"""Teaching a network: the generator, and a file for each thing it is made of."""
