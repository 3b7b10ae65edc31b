"""The base of every group of settings: frozen, strict, unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Values only. A subclass lists fields and defaults and lives beside what it configures."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Component(BaseModel):
    """A slot's choice: ``use`` names the component, all other keys are its constructor's arguments."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    use: str

    @property
    def arguments(self) -> dict[str, object]:
        """The keys beside ``use``."""
        return dict(self.model_extra or {})
