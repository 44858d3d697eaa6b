"""The one exception a person is meant to read."""


class NucleateError(ValueError):
    """One clear sentence that names the offending value and says what to do.

    Raised for everything a user can put right: a wrong shape, a missing file, a parameter out
    of range. The command line prints it and exits with status 1; the docks show it as it is.
    """
