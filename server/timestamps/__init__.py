"""RFC 3161 time-stamps over events: signed now, in a village without signal; stamped when an authority can be reached.

token       a time-stamp token: its form, and under which authority it holds
documents   the documents by which tokens travel
stamps      tokens of this node's databases, joined into proven time by `server.log.proofs`
asking      one question to an authority over HTTP
stamping    which events have none yet, asked for one after the other (`tram timestamp`, or a serving node)
evidence    tokens in an export
"""
