"""What needs a person's attention at a node, found in one place for `tram doctor`, the desk and the metrics.

- `finding`: one thing, in words, with what to do about it;
- `complaints`: what a thread of the serving node cannot do, kept so that other processes see it;
- `examining`: going through everything.
"""
