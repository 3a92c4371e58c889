"""The error of somebody else: a server that is not there now."""

from slipway.errors import UserError


class UnavailableError(UserError):
    """A server does not answer, or answers that it cannot now. The same words may work later.

    The command line exits with ``exit_code`` instead of 2, so that a workflow tries such a step again, and no other.
    """

    exit_code = 75  # EX_TEMPFAIL of sysexits.h
