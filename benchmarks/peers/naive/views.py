"""One endpoint, with serializers for what it takes and answers."""

import os
import secrets
import string
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.utils.decorators import method_decorator
from django_ratelimit.decorators import ratelimit
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.peers.naive.models import Generated

RATE = f"{os.environ['RATE']}/m"
SETS = {
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
    "digits": string.digits,
    "special": "!@#$%^&*()_+-=[]{}|;:,.<>?",
}


class OptionsSerializer(serializers.Serializer[Any]):
    """What is asked for."""

    length = serializers.IntegerField(default=16, min_value=4, max_value=128)
    lowercase = serializers.BooleanField(default=True)
    uppercase = serializers.BooleanField(default=True)
    digits = serializers.BooleanField(default=True)
    special = serializers.BooleanField(default=False)
    exclude = serializers.CharField(default="", trim_whitespace=False)


class AnswerSerializer(serializers.Serializer[Any]):
    """What is answered."""

    password = serializers.CharField()
    length = serializers.IntegerField()


class GenerateView(APIView):
    """A password that passes the validators and holds one of each set, and its row."""

    @method_decorator(ratelimit(key="ip", rate=RATE))
    @method_decorator(ratelimit(key="user", rate=RATE))
    def get(self, request: Request) -> Response:
        # A boolean that a QueryDict lacks would be false, whatever its default.
        options = OptionsSerializer(data=request.query_params.dict())
        options.is_valid(raise_exception=True)
        asked = options.validated_data
        excluded = asked["exclude"]
        sets = [
            "".join(each for each in characters if each not in excluded)
            for name, characters in SETS.items()
            if asked[name]
        ]
        pool = "".join(sets)
        if not pool:
            raise ValidationError("No characters available")
        password = "".join(secrets.choice(pool) for _ in range(asked["length"]))
        while not all(any(each in password for each in characters) for characters in sets):
            password = "".join(secrets.choice(pool) for _ in range(asked["length"]))
        validate_password(password)
        Generated.objects.create(
            user=request.user,
            address=request.META["REMOTE_ADDR"],
            user_agent=request.META.get("HTTP_USER_AGENT", ""),
            length=len(password),
        )
        return Response(AnswerSerializer({"password": password, "length": len(password)}).data)
