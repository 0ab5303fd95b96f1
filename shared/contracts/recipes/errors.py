"""What can be wrong with a recipe; the message names the place and what is allowed."""

from shared.errors import InvalidRequestError


class RecipeError(InvalidRequestError):
    """The recipe cannot be used as written; `param` names the field."""

    default_code = "invalid_recipe"


class TemplateError(RecipeError):
    """The template is no good, or does not render for a cell."""

    default_code = "invalid_template"

    def __init__(self, message: str) -> None:
        super().__init__(message, param="template")


class GridError(RecipeError):
    """The attributes do not make a grid."""

    default_code = "invalid_attributes"
