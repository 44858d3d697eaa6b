"""The exceptions a person is meant to read."""


class NucleateError(ValueError):
    """One clear sentence that names the offending value and says what to do.

    Raised for everything a user can put right: a wrong shape, a missing file, a parameter out
    of range. The command line prints it and exits with status 1; the docks show it as it is.
    """


class DamagedError(NucleateError):
    """A file doesn't hold what was written to it."""


class MemoryRanOutError(NucleateError):
    """What was tried at once was too much; less of it may do."""


class BrokeOffError(NucleateError):
    """Long work ended before its time, by what nobody asked for; what was kept is said, too."""


class NucleateWarning(UserWarning):
    """One clear sentence about what was done otherwise than asked, and why; the work goes on."""
