"""Signatures inside result papers (PAdES, ETSI EN 319 142): what a PDF says of itself, checked in a process apart.

An official signs the paper itself with the key the province gave them (a token, a remote service); the event that
brings it is signed besides. `checking` runs pyHanko in a bounded child without network, `papers` keeps what came out.
"""
