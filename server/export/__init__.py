"""One dossier as a folder that any JOSE tool and openssl can check without anything of ours."""
