"""What makes a node one thing: its parts put together (`assembly.Node`).

- `assembly`: the node, made of `parts` (what there is), `news` (who hears of what) and `life` (what begins when);
  `front`: the address it is reached at; `servertls`: the certificate it shows there;
- `numbering`: the codes it gives out; `publishing`: what a unit publishes into the registry.
"""
