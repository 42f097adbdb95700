"""How batches reach each backend. Each feed imports its backend only when it is used."""
