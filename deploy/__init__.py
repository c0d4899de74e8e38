"""How a node is put to work: the demo, the unattended smoke run and what both are made of."""
