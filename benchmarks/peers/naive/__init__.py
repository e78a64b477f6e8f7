"""The same work as ours in plain Django REST framework: what one writes first."""
