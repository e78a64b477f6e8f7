"""Passwords over HTTP: generated, checked, and what they have to be."""

from collections.abc import Mapping
from typing import ClassVar

from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from credfirewall.api.operations import Operation
from credfirewall.api.problems import AUDIT_UNAVAILABLE, POLICY_UNSATISFIABLE
from credfirewall.api.views import ApiView
from credfirewall.passwords import serializers as bodies
from credfirewall.passwords import services
from credfirewall.passwords.policy import policy
from credfirewall.passwords.specs import Spec


class GenerateView(ApiView):
    endpoint = "passwords-generate"
    scope = "generate"
    key_scope = "generate"
    own_pages_only = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            bodies.GENERATED,
            "One value, or a list of them.",
            example=bodies.GENERATED_EXAMPLE,
            query=bodies.SpecQuery,
            problems=(POLICY_UNSATISFIABLE, AUDIT_UNAVAILABLE),
        ),
        "post": Operation(
            bodies.GENERATED,
            "One value, or a list of them.",
            example=bodies.GENERATED_EXAMPLE,
            body=bodies.SPEC,
            body_example={"kind": "passphrase", "words": 12},
            problems=(POLICY_UNSATISFIABLE, AUDIT_UNAVAILABLE),
        ),
    }

    def get(self, request: Request) -> Response:
        """Generate passwords.

        Each is drawn from the operating system's randomness, all that fit the options being
        equally likely, and is one that the policy accepts.
        """
        return self._answer(request, *bodies.spec_of_query(request.query_params))

    def post(self, request: Request) -> Response:
        """Generate passwords, with the options in a body.

        There, no character has to be escaped.
        """
        return self._answer(request, *bodies.spec_of_body(request.data))

    @sensitive_variables()
    def _answer(self, request: Request, spec: Spec, count: int | None) -> Response:
        issued = services.issue(spec, count=1 if count is None else count, request=request)
        return Response(bodies.generated_body(issued, count))


class CheckView(ApiView):
    endpoint = "passwords-check"
    scope = "check"
    key_scope = "check"
    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            bodies.CheckedBody,
            "What the policy says, and what is known from breaches.",
            example=bodies.CHECKED_EXAMPLE,
            body=bodies.CheckBody,
            body_example=bodies.CHECK_EXAMPLE,
            problems=(AUDIT_UNAVAILABLE,),
        )
    }

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        """Check a password.

        For when somebody submits it, not while they type: what a page can tell by itself is in
        the policy. Nothing is kept of it.
        """
        body = bodies.CheckBody(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(bodies.checked_body(services.check(request=request, **body.validated_data)))


class PolicyView(ApiView):
    endpoint = "passwords-policy"
    scope = "policy"
    public = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(bodies.POLICY, "The rules in force.", example=bodies.POLICY_EXAMPLE)
    }

    def get(self, request: Request) -> Response:
        """Say what a password has to be.

        A page can show the rules, and check some of them while somebody types.
        """
        return Response(policy())
