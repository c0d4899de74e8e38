"""What makes a node one thing: its parts put together (`assembly.Node`), and what the parts share.

- `assembly`: the node, made of `parts` (what there is), `news` (who hears of what) and `life` (what begins when);
  `front`: the address it is reached at; `servertls`: the certificate it shows there; `lock`: one process at a time;
- `signing`, `clock`: its signature and its time;
- `people`, `numbering`: who belongs to the unit, and the codes it gives out;
- `links`, `neighbour`, `sync`: its neighbours, meeting them, replicating with them.
"""
