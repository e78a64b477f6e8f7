"""What an endpoint's method takes and answers, for the schema and the documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rest_framework.serializers import Serializer

from credfirewall.api.problems import Problem
from credfirewall.api.serializers import Query


@dataclass(frozen=True, slots=True)
class Operation:
    """One method. The first line of its handler's docstring is the summary, the rest describes.

    ``problems`` are those that only this operation can meet; what a view can meet because of its
    permission, its query or its body is known from these.
    """

    answer: type[Serializer[Any]] | Mapping[str, Any]
    meaning: str
    example: Any = None
    status: int = 200
    query: type[Query] | None = None
    body: type[Serializer[Any]] | Mapping[str, Any] | None = None
    body_example: Any = None
    problems: tuple[Problem, ...] = field(default=())
