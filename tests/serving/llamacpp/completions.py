"""Requests to a llama-server, with the standard library alone."""

import http.client
import json
from urllib.parse import urlsplit


def complete(endpoint, prompt, tokens, **fields):
    """Return the answer to a completion of so many tokens."""
    url = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    body = {"prompt": prompt, "max_tokens": tokens, **endpoint.options, **fields}
    try:
        connection.request("POST", f"{url.path}/completions", json.dumps(body), {"Content-Type": "application/json"})
        return json.load(connection.getresponse())
    finally:
        connection.close()


def words(answer):
    """Return the tokens of an answer; words such as ` w260` name them."""
    return [int(word.removeprefix("w")) for word in answer["choices"][0]["text"].split()]
