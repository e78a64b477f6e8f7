"""What the API is compared with, each served by itself."""
