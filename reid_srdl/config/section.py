"""What every group of keys is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A group of keys: unknown keys are errors, and so are numbers that are not finite.

    A key that Python reserves is written with an underscore there: ``lambda_``. Validators are
    built when they are first needed, which ``--help`` never does.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        defer_build=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses true, or YAML's yes and on, for a number: it would be taken for 1."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and {int, float} & {kind, *get_args(kind)}:
            raise ValueError("give a number, not true or false")
        return value

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields a key of this section, what is wrong with its value, and a change that mends it.

        Keys are those of this section; the change is a key and its value. See `config.effects`.
        """
        yield from ()


def keys_of(section: type[Section], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yields the path and the field of each key of a section, nested sections' included."""
    for name, field in section.model_fields.items():
        path = f"{above}{field.alias or name}"
        if nested := section_in(field):
            yield from keys_of(nested, f"{path}.")
        else:
            yield path, field


def section_in(field: FieldInfo) -> type[Section] | None:
    """Returns the kind of section that a field holds; None for a plain key."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None


def default_of(field: FieldInfo) -> Any:
    """Returns a key's default; `PydanticUndefined` where it must be given."""
    return field.get_default(call_default_factory=True, validated_data={})
