"""Evidence that leaves the system: one dossier as files that ordinary tools can check (`folder`)."""
