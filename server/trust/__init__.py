"""Whom to trust how far, and what has to be known for it: data with dates, and questions with three answers.

- `freshness`: whether the revocation lists behind a database still vouch for what it holds;
- `words`: what is doubtful about a signature, in Vietnamese and English.
"""

from server.trust.freshness import Freshness, TrustState

__all__ = ["Freshness", "TrustState"]
