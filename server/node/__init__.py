"""What makes a node one thing: its parts put together (`assembly.Node`), and what the parts share.

- `assembly`: the node; `signing`, `clock`: its signature and its time;
- `people`, `numbering`: who belongs to the unit, and the codes it gives out;
- `links`, `neighbour`, `sync`: its neighbours, meeting them, replicating with them.
"""
