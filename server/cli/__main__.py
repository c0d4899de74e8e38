"""`python -m server.cli` is `tram`."""

from server.cli import main

raise SystemExit(main())
