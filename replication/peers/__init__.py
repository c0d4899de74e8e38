"""The two sides of a replication: a database in this process, or one behind the CouchDB protocol.

`HttpPeer` keeps one connection, pipelines its requests on it and never waits; whoever uses it pumps the `Endpoint`.
Answers are bounded and checked before they are believed: HTML or a redirect is `NotAPeer`, a dead line `LinkCut`.
"""

from replication.peers.answers import Busy
from replication.peers.channel import Traffic
from replication.peers.endpoint import Endpoint, EndpointOptions
from replication.peers.http import HttpPeer
from replication.peers.local import LocalPeer
from replication.peers.peer import NO_SEQ, FeedAnswer, Outgoing, Peer, ReadAnswer, Refusal, Summary, WriteAnswer
from replication.peers.urls import split_database_url

__all__ = [
    "NO_SEQ",
    "Busy",
    "Endpoint",
    "EndpointOptions",
    "FeedAnswer",
    "HttpPeer",
    "LocalPeer",
    "Outgoing",
    "Peer",
    "ReadAnswer",
    "Refusal",
    "Summary",
    "Traffic",
    "WriteAnswer",
    "split_database_url",
]
