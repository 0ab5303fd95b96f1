"""Instructor at a server that holds answers to schemas: JSON, tools, lists, pieces and a second try. Prints JSON."""

import json
import os
import sys
from typing import Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel, ConfigDict, Field, field_validator

model, prompt = sys.argv[1:]
server = OpenAI(base_url=os.environ["OPENAI_BASE_URL"], max_retries=0)
asked = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 300, "seed": 1}


class Hero(BaseModel):
    """A hero of a story."""

    dynasty: Literal["唐", "宋"]
    age: int = Field(ge=1, le=99)


class Anything(BaseModel):
    """What any JSON object is."""

    model_config = ConfigDict(extra="allow")


class Doubted(Hero):
    """A hero whom nobody believes at first."""

    tries: int = 0

    @field_validator("age")
    @classmethod
    def doubt(cls, age: int) -> int:
        told.setdefault("doubts", 0)
        told["doubts"] += 1
        if told["doubts"] == 1:
            raise ValueError("no hero is so old, say it again")
        return age


told: dict = {}
for name, mode in (("json_schema", instructor.Mode.JSON_SCHEMA), ("tools", instructor.Mode.TOOLS)):
    client = instructor.from_openai(server, mode=mode)
    told[name] = client.create(response_model=Hero, **asked).model_dump()
    *_, last = client.create_partial(response_model=Hero, **asked)
    told[f"{name}_streamed"] = last.model_dump()
loose = instructor.from_openai(server, mode=instructor.Mode.JSON)
told["json"] = isinstance(loose.create(response_model=Anything, **asked), Anything)
tools = instructor.from_openai(server, mode=instructor.Mode.TOOLS)
told["again"] = tools.create(response_model=Doubted, max_retries=2, **asked).model_dump()
print(json.dumps(told))
