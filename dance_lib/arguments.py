"""Arguments of public functions: what they may be, and one line about those that are not."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from textwrap import shorten
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, validate_call

from dance_lib.errors import DanceError, in_one_line

Size = Annotated[int, Field(ge=1, lt=2**31)]  # how many of something
Count = Annotated[int, Field(ge=0, lt=2**31)]  # the same, where none is right too
Share = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every generator of ours takes

SHOWN = 80  # characters of a value that is refused
Given = ParamSpec("Given")
Returned = TypeVar("Returned")
Made = TypeVar("Made")


class Options(BaseModel):
    """Settings that people write in code. A value that makes no sense is a DanceError."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise in_one_line(type(self).__name__, error) from None


def checked(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Refuse arguments that are not what the function's annotations say.

    What is as good (an integer of NumPy, a list for a tuple) becomes it. The decorated function
    raises DanceError, which names the argument; TypeError for too many or too few.
    """

    @cache  # made at the first call: before, names of a type may be unknown
    def check() -> Callable[..., Any]:
        @validate_call(config=ConfigDict(arbitrary_types_allowed=True))
        @wraps(function)
        def given(*args: Any, **kwargs: Any) -> Any:
            return args, kwargs

        return given

    @wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        try:
            args, kwargs = check()(*args, **kwargs)
        except ValidationError as error:
            given = inspect.signature(function).bind(*args, **kwargs).arguments
            raise _refused(function.__qualname__, given, error) from None
        return function(*args, **kwargs)

    return call


def checked_fields(of: type[Made]) -> type[Made]:
    """Refuse fields of a dataclass as `checked` refuses arguments."""
    of.__init__ = checked(of.__init__)  # type: ignore[method-assign]
    return of


def _refused(function: str, given: Mapping[str, Any], error: ValidationError) -> DanceError:
    first = error.errors()[0]
    at, *inside = first["loc"]
    argument = list(given)[at] if isinstance(at, int) else str(at)
    value = shorten(repr(given[argument]), SHOWN, placeholder=" ...")
    place = "".join(f" at {item}" for item in inside if isinstance(item, int))
    name = function.removesuffix(".__init__")
    return DanceError(f"{name}: {argument}={value}: {first['msg']}{place}")
