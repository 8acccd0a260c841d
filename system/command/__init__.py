"""How commands end: in one sentence, with a status that is not 0, at an error or a signal."""
