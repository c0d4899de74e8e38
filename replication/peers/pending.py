"""An answer that has been asked for and may not have come yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S")
E = TypeVar("E", bound=Exception)


class Pending(Protocol[T_co]):
    """`done` tells whether `result` may be called; `result` returns the value or raises what went wrong."""

    @property
    def done(self) -> bool: ...

    def result(self) -> T_co: ...


class Promise(Generic[T]):
    """A `Pending` somebody keeps or breaks later."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._error: Exception | None = None
        self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def keep(self, value: T) -> None:
        self._value, self._done = value, True

    def break_with(self, error: Exception) -> None:
        self._error, self._done = error, True

    def result(self) -> T:
        if not self._done:
            raise RuntimeError("asked for the result of a call that is still under way")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # None is a legal T


class Mapped(Generic[S, T]):
    """A `Pending` made of another one by a function that may raise."""

    def __init__(self, source: Pending[S], convert: Callable[[S], T]) -> None:
        self._source = source
        self._convert = convert

    @property
    def done(self) -> bool:
        return self._source.done

    def result(self) -> T:
        return self._convert(self._source.result())


class Rescued(Generic[S, T, E]):
    """A `Mapped` whose `rescue` may make a value out of an error, or raise it again."""

    def __init__(
        self, source: Pending[S], convert: Callable[[S], T], catches: type[E], rescue: Callable[[E], T]
    ) -> None:
        self._source = source
        self._convert = convert
        self._catches = catches
        self._rescue = rescue

    @property
    def done(self) -> bool:
        return self._source.done

    def result(self) -> T:
        try:
            value = self._source.result()
        except self._catches as exc:
            return self._rescue(exc)
        return self._convert(value)


class Done(Generic[T]):
    """A `Pending` that happened on the spot: `action` ran when this was made, its error is kept for `result`."""

    done = True

    def __init__(self, action: Callable[[], T], catches: tuple[type[Exception], ...]) -> None:
        self._promise: Promise[T] = Promise()
        try:
            self._promise.keep(action())
        except catches as exc:
            self._promise.break_with(exc)

    def result(self) -> T:
        return self._promise.result()
