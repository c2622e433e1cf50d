"""What an object has worked out once is not worked out again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


class Remembering(Protocol):
    """Anything with a place to keep results in."""

    @property
    def memory(self) -> dict[Any, Any]:
        """Results by what was asked."""


S = TypeVar("S", bound=Remembering)


def remembered(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """The method, run once for the same arguments; a list among them is the same when it holds the same objects.

    A list is returned as a new list of the same objects, so that whoever changes theirs changes nobody else's.
    """

    @wraps(method)
    def once(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        key = _asked(method.__name__, args, kwargs)
        if key not in self.memory:
            self.memory[key] = (method(self, *args, **kwargs), args, kwargs)  # kept, so that no identity is reused
        found = self.memory[key][0]
        return list(found) if isinstance(found, list) else found  # type: ignore[return-value]

    return cast(Callable[Concatenate[S, P], R], once)


def again(memory: dict[Any, Any]) -> dict[Any, Any]:
    """The memory of a copy, whose objects are others: what is known by identity is known by that of the copies."""
    return {_asked(name, args, kwargs): (found, args, kwargs) for (name, *_), (found, args, kwargs) in memory.items()}


def _asked(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    return name, tuple(map(_key, args)), tuple((n, _key(v)) for n, v in sorted(kwargs.items()))


def _key(value: object) -> object:
    """A list by the identity of what it holds, anything hashable by its value, else by its identity."""
    if isinstance(value, list):
        return ("list", *map(id, value))
    try:
        hash(value)
    except TypeError:
        return ("object", id(value))
    return value
