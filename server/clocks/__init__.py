"""Time at a node, of which each kind has its own promise.

- `clock`: what signatures and receipts say; it never goes back, and a system clock that did stops them;
- `jumps`: a clock that was set forward is noticed by one that nobody can set;
- `localtime`: what time it is at the office, for hours and daily limits.
"""
