"""A credential firewall for Django: passwords are checked where they are set, issued and used."""

__version__ = "0.1.0"
