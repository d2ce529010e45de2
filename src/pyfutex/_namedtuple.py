"""NamedTuple: that of `typing` to whoever writes a class or checks its types, made without the import of `typing`.

That import takes a third of the time that `import pyfutex` would take with it.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False  # see results.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["NamedTuple"]

# mypy wants fields that stand in the source.
of_fields: Callable[..., Any] = namedtuple  # noqa: PYI024 - this is what makes the other one


class _Maker(type):
    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(cls, name, bases, body)
        fields = body["__annotations__"]
        defaults = [body[field] for field in fields if field in body]
        made = of_fields(name, fields, defaults=defaults, module=body["__module__"])
        made.__doc__ = body.get("__doc__", made.__doc__)  # -OO leaves none
        made.__annotations__ = fields
        return made


class NamedTuple(metaclass=_Maker):
    """Base of a class of annotated fields, which becomes a subclass of tuple. It has a docstring and no methods."""
