"""The clauses that the conformance report looks at, one module for each area."""

from credfirewall import conformance


def register() -> None:
    """Register the rows of this version. Called once the apps are ready."""
    from credfirewall.clauses import api, audit, issuing, policy, screening, site

    for module in (screening, policy, issuing, audit, api, site):
        conformance.register(*module.ROWS)
