"""The independent verifier: reads what is stored, believes a root certificate only, names what does not hold."""
