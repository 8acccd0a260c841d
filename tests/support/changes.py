"""Plain containers with one value changed."""

from copy import deepcopy

NOTHING = ...  # instead of a value: leave the key out


def changed(content, path, value):
    """Return the content with another value at a path.

    The path has keys and numbers of items, as a sequence or as a text such as "servers.0.gpu".
    """
    if isinstance(path, str):
        path = [int(word) if word.isdecimal() else word for word in path.split(".")]
    if not path:
        return value
    content = deepcopy(content)
    node = content
    for key in path[:-1]:
        node = node[key]
    if value is NOTHING:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return content
