"""Enrolment: from a key somebody made on their own device to a certificate, at the counter, offline.

    phone    makes a key, signs a request with it (which proves that it holds the key), shows six digits of that key
    counter  the official sees the same six digits beside it, looks at the identity card, signs `enrol.approved`
    node     the unit's CA issues, the certificate is stored as a document, the phone fetches it

An activation code that `tram user add` printed stands for the official's look: whoever brings it is enrolled at once,
and the node signs the `enrol.approved`.

A request is private (name, telephone, number of the identity card): it stays in `node.db` and does not replicate. Only
the approved name goes into an event, and the certificate holds a pseudonym alone.

request      what a key asks for, parsed and proven
enrolments   the requests made here and what has become of each
activations  codes that speak for the office beforehand
"""

from server.enrolment.activations import Activations
from server.enrolment.enrolments import Enrolment, Enrolments
from server.enrolment.request import KINDS, Request, parse_request

__all__ = ["KINDS", "Activations", "Enrolment", "Enrolments", "Request", "parse_request"]
