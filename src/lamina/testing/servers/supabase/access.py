"""Who calls: the role and claims of a token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from collections.abc import Mapping


class BadToken(Exception):
    """A token that is not accepted; the message is what PostgREST says of it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A role of the database, and what its token tells."""

    role: str
    claims: dict[str, Any]

    @property
    def known(self) -> bool:
        return self.role != "anon"

    def told(self) -> str:
        return json.dumps(self.claims, ensure_ascii=False)


def caller(
    headers: Mapping[str, str], secret: str, *, leeway: float = 0.0, bare: bool = False
) -> Caller:
    """Return who sent *headers*: by Authorization, else by apikey, else nobody in particular.

    With *bare*, Authorization may be just a token, as for Storage.

    Raises:
        BadToken: The token is none, or expired, or signed by somebody else.
    """
    told = headers.get("Authorization", "")
    kind, _, token = told.partition(" ")
    if bare and told.count(".") == 2 and " " not in told:
        token = told
    elif kind.lower() != "bearer" or not token.strip():
        token = headers.get("apikey", "")
    if not token.strip():
        return Caller("anon", {"role": "anon"})
    claims = read(token.strip(), secret, leeway=leeway)
    role = claims.setdefault("role", "anon")
    return Caller(role if isinstance(role, str) else json.dumps(role), claims)


def read(token: str, secret: str, *, leeway: float = 0.0) -> dict[str, Any]:
    """Return the claims of a token."""
    parts = token.count(".") + 1
    if parts != 3:
        msg = (
            f"JWSError (CompactDecodeError Invalid number of parts: Expected 3 parts; got {parts})"
        )
        raise BadToken(msg)
    try:
        return jwt.decode(token, secret, algorithms=["HS256"], leeway=leeway, options=_OPTIONS)
    except jwt.ExpiredSignatureError as error:
        msg = "JWT expired"
        raise BadToken(msg) from error
    except jwt.ImmatureSignatureError as error:
        msg = "JWT not yet valid"
        raise BadToken(msg) from error
    except jwt.InvalidSignatureError as error:
        msg = "JWSError JWSInvalidSignature"
        raise BadToken(msg) from error
    except jwt.InvalidTokenError as error:
        msg = 'JWSError (JSONDecodeError "Not valid JWT")'
        raise BadToken(msg) from error


_OPTIONS: Any = {"verify_aud": False, "verify_iat": False, "verify_sub": False, "verify_jti": False}
