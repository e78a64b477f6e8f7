"""What the HTTP endpoints of all features share. It knows no feature."""
