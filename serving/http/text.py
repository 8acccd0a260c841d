"""Text for models with random weights, whose tokens mean nothing: a token for each byte, a character for each token."""

FIRST, COUNT = 33, 94  # the printable characters of ASCII, without the blank
BYTES = 256


def tokens_of(text: str) -> list[int]:
    """Return a token for each byte in UTF-8."""
    return list(text.encode())


def text_of(token: int) -> str:
    """Return the printable character that stands for a token; several tokens share one."""
    return chr(FIRST + (token - FIRST) % COUNT)
