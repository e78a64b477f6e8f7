"""The demo site's pages, mail and accounts."""
