"""The offline corpus: how a range of breached hashes is laid out in few bytes."""
