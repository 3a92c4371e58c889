"""The one error a person is meant to read."""


class UserError(Exception):
    """Bad input. The message is a sentence that names the file, the column or the key, and what to do about it.

    The command line prints it without a traceback and exits with code 2.
    """
