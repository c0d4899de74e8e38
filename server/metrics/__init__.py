"""`GET /metrics`: what a node does, in Prometheus' text format, for whoever watches a province's nodes.

Each node has a registry of its own (several may live in one process, as in tests). Open to this machine, and to an
administrator's token from elsewhere: the figures name neighbours and say how much an office works.

    counting     what is counted as it happens: requests and their latencies, documents judged at the door
    collecting   what is read when asked: links, store, dossiers and receipts, quarantine, memory
"""
