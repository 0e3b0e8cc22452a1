"""Types of settings: what a value may be, and what is said of one that may not."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field


def legal_name(name: str) -> str:
    """Letters that Kafka allows in names."""
    if not re.fullmatch(r"[a-zA-Z0-9._-]*", name) or name in {".", ".."}:
        raise ValueError("only letters, digits, '.', '_' and '-' are allowed in a name")
    return name


def brokers(text: str) -> str:
    """Brokers, without the blanks around commas."""
    if not all(re.fullmatch(r"[\w.-]+:\d+|\[[\da-fA-F:]+\]:\d+", broker.strip()) for broker in text.split(",")):
        raise ValueError("give brokers as HOST:PORT, separated by commas")
    return text.replace(" ", "")


def enough_noise(multiplier: float) -> float:
    """A noise multiplier that is worth its name, or none."""
    if multiplier and not multiplier >= 0.3:
        raise ValueError("give 0 for none, or at least 0.3: less protects nobody")
    return multiplier


# Prefix and name together stay within Kafka's 249 characters.
TopicName = Annotated[str, Field(min_length=1, max_length=180), AfterValidator(legal_name)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
