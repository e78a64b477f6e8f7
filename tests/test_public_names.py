"""What a package says that it offers, it has."""

import pkgutil
from importlib import import_module

import pytest

import credfirewall

PACKAGES = sorted(
    module.name
    for module in pkgutil.iter_modules(credfirewall.__path__, "credfirewall.")
    if hasattr(import_module(module.name), "__all__")
)


def test_some_offer_names() -> None:
    assert {"credfirewall.audit", "credfirewall.screening"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there(package: str) -> None:
    module = import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
