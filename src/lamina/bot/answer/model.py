"""A language model behind an endpoint that speaks OpenAI's chat protocol."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.errors import LaminaError, StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

_LARGEST: Final = 4 * 1024 * 1024


class ModelError(LaminaError):
    """The model gave no answer; the message says why, never with the key."""


class ModelUnavailable(ModelError):
    """The endpoint cannot be reached, or says that it cannot answer now."""


class ModelRefused(ModelError):
    """The endpoint refuses the key or the model's name."""


class ModelBusy(ModelError):
    """The endpoint asks for fewer calls, or the account's quota is used up."""


class ModelGarbled(ModelError):
    """The endpoint answered what cannot be read."""


@final
@dataclass(frozen=True, slots=True)
class Written:
    """What the model wrote; *complete* is false where it was cut off by its length limit."""

    text: str
    complete: bool = True


@final
@dataclass(frozen=True, slots=True)
class Model:
    """One model at one endpoint.

    *url* is the address before ``/chat/completions``; *seconds* bounds one whole answer.
    """

    url: str
    name: str
    key: str = field(default="", repr=False)
    seconds: float = 60.0

    @classmethod
    def configured(cls, environment: Mapping[str, str] = os.environ) -> Model | None:
        """Return the model that the environment names, None if it names none.

        ``OPENAI_BASE_URL`` or ``OPENAI_API_KEY`` switch it on, ``LAMINA_MODEL`` names the model,
        ``LAMINA_MODEL_TIMEOUT`` gives the seconds for one answer. Defaults as in OpenAI's client.

        Raises:
            StackError: The address or the time cannot be used.
        """
        url, key = environment.get("OPENAI_BASE_URL", ""), environment.get("OPENAI_API_KEY", "")
        if not url and not key:
            return None
        url = (url or "https://api.openai.com/v1").rstrip("/")
        if not url.startswith(("http://", "https://")):
            msg = "OPENAI_BASE_URL must begin with http:// or https://"
            raise StackError(msg)
        seconds = _seconds(environment.get("LAMINA_MODEL_TIMEOUT", "60"))
        return cls(url, environment.get("LAMINA_MODEL") or "gpt-4o-mini", key.strip(), seconds)

    async def write(self, messages: Sequence[Mapping[str, str]]) -> Written:
        """Return the model's answer to *messages*.

        Raises:
            ModelError: It gave none; the kind says what may help.
        """
        try:
            import httpx
        except ImportError as error:
            msg = "a model needs httpx: pip install 'lamina[bot]'"
            raise ModelUnavailable(msg) from error
        try:
            async with asyncio.timeout(self.seconds):
                return _written(await self._post(httpx, messages))
        except TimeoutError as error:
            msg = f"no answer within {self.seconds:g} s"
            raise ModelUnavailable(msg) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            msg = f"the connection failed: {type(error).__name__}"
            raise ModelUnavailable(msg) from None  # its text may name the address with a password

    async def _post(self, http: Any, messages: Sequence[Mapping[str, str]]) -> bytes:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        async with (
            http.AsyncClient(timeout=http.Timeout(self.seconds, connect=5.0)) as client,
            client.stream(
                "POST",
                f"{self.url}/chat/completions",
                headers=headers,
                json={"model": self.name, "messages": list(messages), "temperature": 0.2},
            ) as response,
        ):
            _check(cast("httpx.Response", response))
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    msg = f"the answer is larger than {_LARGEST} bytes"
                    raise ModelGarbled(msg)
            return body


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        msg = "LAMINA_MODEL_TIMEOUT must be seconds, more than 0 and at most 3600"
        raise StackError(msg)
    return seconds


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in {401, 403}:
        msg = f"the key was refused (status {status}): check OPENAI_API_KEY"
        raise ModelRefused(msg)
    if status in {400, 404, 405, 422} or 300 <= status < 400:
        msg = f"status {status}: check OPENAI_BASE_URL and LAMINA_MODEL"
        raise ModelRefused(msg)
    if status == 429:
        msg = "too many calls, or the quota is used up (status 429)"
        raise ModelBusy(msg)
    msg = f"the endpoint failed (status {status})"
    raise ModelUnavailable(msg)


def _written(body: bytes) -> Written:
    try:
        choice = json.loads(body)["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        msg = "the endpoint answered something that is no chat completion"
        raise ModelGarbled(msg) from error
    if not isinstance(text, str) or not text.strip():
        msg = "the model's answer is empty"
        raise ModelGarbled(msg)
    text = text.encode("utf-8", "replace").decode().replace("\0", "")
    return Written(text.strip(), complete=choice.get("finish_reason") != "length")
