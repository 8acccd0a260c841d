"""Ways in which an endpoint fails, each as one sentence."""

import json
import os
from http import HTTPStatus
from typing import Any

from system.checks import echo
from system.errors import on_one_line

HIDDEN = "***"  # in place of a key that an endpoint repeats
PHRASES = {code.value: f" ({code.phrase})" for code in HTTPStatus}


class EndpointFailure(Exception):  # noqa: N818
    """Something that an endpoint did instead of what was asked, with its own words as detail."""

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(summary)
        self._summary, self._detail = summary, detail

    def reason(self, key: str | None) -> str:
        """Return one sentence without the key, which some endpoints repeat in their messages."""
        detail = self._detail.replace(key, HIDDEN) if key else self._detail
        short = echo(on_one_line(" ".join(detail.split())))
        return f"the endpoint {self._summary}{f': {short}' if short else ''}"


def refusal(status: int, body: str) -> EndpointFailure:
    """Return the failure of an answer with a status other than 200."""
    return EndpointFailure(f"answered {status}{PHRASES.get(status, '')}", message_in(body))


def transport_failure(error: Exception, connect_s: float) -> EndpointFailure:
    """Return the failure of a connection."""
    import aiohttp

    match error:
        case aiohttp.ConnectionTimeoutError():
            return EndpointFailure(f"accepted no connection within {connect_s:g} s")
        case aiohttp.ClientConnectorError():
            return EndpointFailure("could not be reached", _cause(error.os_error))
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return EndpointFailure("dropped the connection")
        case aiohttp.InvalidURL():
            return EndpointFailure("has no valid address")
        case OSError():
            return EndpointFailure("lost the connection", _cause(error))
    return EndpointFailure("sent no valid HTTP", str(error))


def message_in(body: str) -> str:
    """Return the message of an API's error, or else the text itself."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return body
    for key in ("error", "message", "detail"):
        content = content.get(key, content) if isinstance(content, dict) else content
    return _text(content)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content)


def _cause(error: OSError) -> str:
    """Return the system's words for an error, without addresses."""
    if error.errno is not None and error.errno > 0:  # those of name servers are below 0
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
