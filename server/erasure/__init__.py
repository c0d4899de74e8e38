"""Erasing dossiers whose retention has ended: who may, what goes, which nodes have done it.

`orders` reads and makes the events, `executor` does here what two persons ordered, `filesweep` finds what of a file no
other dossier needs. What the events mean is in `server.dossier.erasing`, what users see in docs/operations.md.
"""
