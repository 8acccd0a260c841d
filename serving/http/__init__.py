"""An OpenAI-compatible front on the project's own serving: `python -m serving http LAYOUT`.

Importing it needs neither torch nor aiohttp.
"""
