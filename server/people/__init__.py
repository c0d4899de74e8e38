"""People and their keys beyond the first one: finding somebody, taking a lost key away, letting the next one in.

- `people`: enrolling people of the unit, giving and taking roles;
- `revoking`: the orders to revoke (`enrol.revoked`), carried out by whoever has the CA's key;
- `finding`: a person by name, number of the identity card, telephone or dossier;
- `again`: whether somebody may be given another key, and on whose word.
"""
