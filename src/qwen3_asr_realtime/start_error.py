"""What keeps the server from starting."""

EXIT_CONFIGURATION = 2
"""A setting or the machine does not allow the server to start; one line on standard error says which."""


class StartError(Exception):
    """The server cannot start; the message is for the operator."""
