"""Make the tables and an account of a Django contender, and print what goes into Authorization.

DJANGO_SETTINGS_MODULE=... python -m benchmarks._api_accounts
"""

import django
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command


def main() -> None:
    """Do it."""
    django.setup()
    call_command("migrate", verbosity=0)
    # Apps without migrations refer to tables of those with.
    call_command("migrate", run_syncdb=True, verbosity=0)
    user = get_user_model().objects.create_user("ann", "ann@example.com")
    print(f"Bearer {_key(user)}" if apps.is_installed("credfirewall") else f"Token {_token(user)}")


def _key(user: object) -> str:
    from credfirewall.api import keys, scopes

    return keys.create(user, "benchmark", scopes.SCOPES).text


def _token(user: object) -> str:
    from rest_framework.authtoken.models import Token

    return str(Token.objects.create(user=user))


if __name__ == "__main__":
    main()
