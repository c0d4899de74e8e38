"""Links to neighbours: who they are, what may be carried and when, and how it goes.

- `neighbours`: who we push to and pull from; `tls`: who may stand at the other end; `meeting`: what is said first;
- `sync`: one `link.NeighbourLink` for each, kept running; `pairing`: which databases, which way;
  `auditing`: the daily comparison;
- `allowance`, `spending`, `gate`: hours and bytes a day; `wanted`, `firsts`: what goes ahead, since somebody waits;
- `state`, `status`, `troubles`, `refusals`, `presence`, `retry`: what is remembered of a link, and told to people.
"""
