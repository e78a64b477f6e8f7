"""Canaries: passwords that exist nowhere else, and whatever could show that one got out."""
