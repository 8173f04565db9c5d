"""Reading a ``defs.yaml`` so that a mistake is named with its file, its line and what was expected.

Dagster checks each attribute against a union with "a template string", which turns every mistake into "not valid under
any of the given schemas". Here templates are rendered first and the result is validated once, by the component itself.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import Self


class AttributesAsWritten(BaseModel):
    """The ``attributes`` of a ``defs.yaml``: any mapping, templates not yet rendered."""

    model_config = ConfigDict(extra="allow")


class DefsYamlError(dg.DagsterInvalidDefinitionError):
    """A ``defs.yaml`` that cannot be used; the message has one line per mistake."""


class YamlComponent(dg.Component, dg.Model, dg.Resolvable):
    """A component whose YAML errors say file, line, what was found and what was expected."""

    @classmethod
    def model(cls) -> type[BaseModel]:
        """What Dagster checks before templates are rendered: that there is a mapping."""
        return AttributesAsWritten

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> Self:
        """Render the templates, then validate.

        Raises:
            DefsYamlError: with one line per mistake.
        """
        attributes = context.resolve_value(model.model_extra or {})
        try:
            return cls.model_validate(attributes)
        except ValidationError as error:
            mistakes = [
                f"{_position(context, mistake['loc'])} - {_sentence(cls, mistake)}" for mistake in error.errors()
            ]
            raise DefsYamlError("\n".join(mistakes)) from None


def _position(context: dg.ResolutionContext, location: Sequence[str | int]) -> str:
    """``…/defs.yaml:12``, or the attribute's path alone when the YAML came from a string."""
    if context.source_position_tree is None:
        return ".".join(str(step) for step in location)
    position, _ = context.source_position_tree.lookup_closest_and_path([*context.path, *location], None)
    return f"{position.filename}:{position.start.line}"


def _sentence(cls: type[BaseModel], mistake: Mapping[str, Any]) -> str:
    path = ".".join(str(step) for step in mistake["loc"]) or "attributes"
    if mistake["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(cls, mistake["loc"][:-1]))
        close = difflib.get_close_matches(str(mistake["loc"][-1]), allowed, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"{path}: no such attribute.{hint} Expected one of {', '.join(allowed)}."
    if mistake["type"] == "missing":
        return f"{path}: missing. Expected {_expected(cls, mistake['loc'])}."
    message = str(mistake["msg"]).removeprefix("Value error, ").rstrip(".")
    found = "" if mistake["type"] == "value_error" else f", found {mistake['input']!r:.80}"
    return f"{path}: {message}{found}."


def _expected(cls: type[BaseModel], location: Sequence[str | int]) -> str:
    field = _fields_at(cls, location[:-1]).get(str(location[-1]))
    return (getattr(field, "description", None) or "a value").rstrip(".")


def _fields_at(cls: type[BaseModel], location: Sequence[str | int]) -> Mapping[str, Any]:
    """The fields of the model that a path leads to."""
    model: Any = cls
    for step in location:
        if isinstance(step, int):
            continue
        field = getattr(model, "model_fields", {}).get(step)
        if field is None:
            return {}
        model = _model_in(field.annotation)
    return getattr(model, "model_fields", {})


def _model_in(annotation: Any) -> Any:  # noqa: ANN401 (annotations have no common type)
    """The pydantic model inside ``list[X]``, ``X | None`` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
