"""The demo site: Django's own sign-up, sign-in and password pages behind credfirewall."""
