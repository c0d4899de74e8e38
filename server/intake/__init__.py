"""The one door: every document, from phone, desk, peer or USB, passes here before it is stored.

The steps, in order; the number stands again where each is done.

     1  size and depth                        `events`, `server.pki.documents`, `files`
     2  strict JSON                           `crypto.strictjson`
     3  schema                                `server.dossier.event`, `server.dossier.manifest`
     4  name = hash, and never edited         `documents`
     5  text: NFC, nothing hidden             `crypto.text`, with the schema
     6  algorithm on the allow-list           `crypto.event`
     7  certificate path at the trusted time  `server.pki.directory`, `crypto.chain`
     8  CRL                                   `crypto.chain`
     9  signature                             `crypto.event`
    10  actor = certificate's subject         `crypto.chain`
     +  the document belongs in this database `places`
     +  a person's word about an erasure can    `server.erasure.gate`, given to the door by the node
        still count

Left to others: whether the actor's role allowed it and whether the order of events makes sense (the fold: such an event
is stored and "not applied", identically on every node); whether the certificate is in its issuer's log; whether a
file's chunks make the whole file (`server.filestore`, before a receipt).

What fails is refused by name and kept in `quarantine` with its evidence; the rest of its batch goes on.
"""
