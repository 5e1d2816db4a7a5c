"""Members of a request that are judged each on its own: one that is malformed is refused, and the others are done."""

from typing import Annotated, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_wrap_validator_function

from app.api.problems import misshapen
from app.domain.errors import Refusal

T = TypeVar("T", bound=BaseModel)


class _Apart:
    """Has a member validated by its own model alone, so that the schema of the request is that of the model too."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        model, _ = get_args(source)
        return no_info_wrap_validator_function(_judged, handler.generate_schema(model))


def _judged(sent: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(sent)
    except ValidationError as error:
        return misshapen(error, sent)


Each: TypeAlias = Annotated[T | Refusal, _Apart()]
"""A member, or why what was sent is none, with pointers into the member."""
